/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Keeps tokens in an SQLite database: the example for tm_set_store() and any other database. */
#ifndef SQLITE_STORE_H
#define SQLITE_STORE_H

#include <tokenmgr.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sqlite_store sqlite_store;

/* For a database file, which is made when it is first needed, readable by its owner only. NULL: out of memory. */
sqlite_store *sqlite_store_new(const char *path);

/* Has a manager keep its tokens there: one store for each manager. It has to outlive the manager's last call. */
tm_status sqlite_store_use(sqlite_store *store, tm_manager *tm, tm_error **err);

void sqlite_store_free(sqlite_store *store);

#ifdef __cplusplus
}
#endif

#endif
