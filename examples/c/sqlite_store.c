/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Four callbacks around a database with transactions. What matters, whichever database it is:
 *
 * - lock begins a transaction that no other process can be in, and waits for it no longer than it is told to.
 * - save compares, writes and commits: when it answers 1, what it wrote must outlive a crash, for a token may be
 *   spent on the strength of it. So the commit stands here and not in unlock, whose answer comes too late.
 * - unlock ends what is still open, which is to say that nothing was saved.
 * - A connection is never used on both sides of a fork().
 *
 * The callbacks of one manager never run at the same time, so one connection is enough. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sqlite_store.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { DONE = 1, NO = 0, FAILED = -1 };

struct sqlite_store {
    char *path;
    sqlite3 *database; /* NULL: not open */
    pid_t opened_by;
};

sqlite_store *sqlite_store_new(const char *path) {
    sqlite_store *store = (sqlite_store *)calloc(1, sizeof *store);
    if (store != NULL && (store->path = strdup(path)) == NULL) {
        free(store);
        store = NULL;
    }
    return store;
}

void sqlite_store_free(sqlite_store *store) {
    if (store == NULL)
        return;
    if (store->opened_by == getpid())
        sqlite3_close(store->database);
    free(store->path);
    free(store);
}

static int run(sqlite3 *database, const char *sql) {
    return sqlite3_exec(database, sql, NULL, NULL, NULL);
}

/* The connection, opened when this process first needs it. One that was inherited over a fork() belongs to the
 * parent: to close it here would let go of the parent's locks, so it is left alone. */
static sqlite3 *connection(sqlite_store *store) {
    if (store->database != NULL && store->opened_by == getpid())
        return store->database;
    sqlite3 *database = NULL;
    mode_t mask = umask(077); /* the file holds tokens */
    int opened = sqlite3_open(store->path, &database);
    if (opened == SQLITE_OK) {
        sqlite3_busy_timeout(database, 1000);
        /* A commit is on the disk when it returns. No write-ahead log: a forked child that opens the database anew
         * inherits what this process knows of its locks, and could write into a log that others have removed. */
        opened = run(database, "PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL;"
                               "CREATE TABLE IF NOT EXISTS tokens (client TEXT PRIMARY KEY, record BLOB NOT NULL,"
                               " until INTEGER NOT NULL);");
    }
    umask(mask);
    if (opened != SQLITE_OK) {
        sqlite3_close(database);
        return NULL;
    }
    store->database = database;
    store->opened_by = getpid();
    return database;
}

/* The next row of a query for one client's record. */
static int find(sqlite3 *database, const char *key, sqlite3_stmt **row) {
    int prepared = sqlite3_prepare_v2(
        database, "SELECT record FROM tokens WHERE client = ? AND until > strftime('%s','now')", -1, row, NULL);
    if (prepared != SQLITE_OK)
        return prepared;
    sqlite3_bind_text(*row, 1, key, -1, SQLITE_STATIC);
    return sqlite3_step(*row);
}

static int32_t load(void *userdata, const char *key, tm_sink *out) {
    sqlite3 *database = connection((sqlite_store *)userdata);
    if (database == NULL)
        return FAILED;
    sqlite3_stmt *row = NULL;
    int found = find(database, key, &row);
    if (found == SQLITE_ROW)
        tm_sink_put(out, sqlite3_column_blob(row, 0), (size_t)sqlite3_column_bytes(row, 0));
    sqlite3_finalize(row);
    return found == SQLITE_ROW || found == SQLITE_DONE ? DONE : FAILED;
}

/* Whether the record is still what the library read. Within the lock it always is, unless someone writes who
 * does not take it. */
static int32_t compare(sqlite3 *database, const char *key, const void *expected, size_t expected_len) {
    sqlite3_stmt *row = NULL;
    int found = find(database, key, &row);
    int32_t answer = FAILED;
    if (found == SQLITE_DONE)
        answer = expected == NULL ? DONE : NO;
    else if (found == SQLITE_ROW)
        answer = expected != NULL && (size_t)sqlite3_column_bytes(row, 0) == expected_len &&
                         memcmp(sqlite3_column_blob(row, 0), expected, expected_len) == 0
                     ? DONE
                     : NO;
    sqlite3_finalize(row);
    return answer;
}

static int write_record(sqlite3 *database, const char *key, const void *data, size_t len, int64_t ttl_seconds) {
    const char *sql = len == 0 ? "DELETE FROM tokens WHERE client = ?"
                               : "REPLACE INTO tokens VALUES (?, ?, strftime('%s','now') + ?)";
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK)
        return SQLITE_ERROR;
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    if (len > 0) {
        sqlite3_bind_blob64(statement, 2, data, len, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 3, ttl_seconds);
    }
    int written = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return written == SQLITE_DONE ? SQLITE_OK : written;
}

static int32_t save(void *userdata, const char *key, const void *data, size_t len, const void *expected,
                    size_t expected_len, int64_t ttl_seconds) {
    sqlite3 *database = connection((sqlite_store *)userdata);
    if (database == NULL)
        return FAILED;
    int32_t same = compare(database, key, expected, expected_len);
    if (same != DONE)
        return same;
    if (write_record(database, key, data, len, ttl_seconds) != SQLITE_OK)
        return FAILED;
    return run(database, "COMMIT") == SQLITE_OK ? DONE : FAILED;
}

static int32_t lock(void *userdata, const char *key, int64_t wait_ms) {
    (void)key; /* one lock for the whole database: it is held for milliseconds */
    sqlite3 *database = connection((sqlite_store *)userdata);
    if (database == NULL)
        return FAILED;
    if (!sqlite3_get_autocommit(database))
        run(database, "ROLLBACK"); /* of a call that never came back */
    sqlite3_busy_timeout(database, (int)(wait_ms < 60000 ? wait_ms : 60000));
    int begun = run(database, "BEGIN IMMEDIATE");
    sqlite3_busy_timeout(database, 1000);
    return begun == SQLITE_OK ? DONE : begun == SQLITE_BUSY ? NO : FAILED;
}

static int32_t unlock(void *userdata, const char *key) {
    (void)key;
    sqlite_store *store = (sqlite_store *)userdata;
    if (store->database == NULL || store->opened_by != getpid())
        return FAILED;
    if (sqlite3_get_autocommit(store->database))
        return DONE; /* save has committed */
    return run(store->database, "ROLLBACK") == SQLITE_OK ? DONE : FAILED;
}

tm_status sqlite_store_use(sqlite_store *store, tm_manager *tm, tm_error **err) {
    return tm_set_store(tm, load, save, lock, unlock, store, err);
}
