/* Where the command keeps its tokens between two runs: a sealed file for each account, in a folder of the user's own. */
#define _POSIX_C_SOURCE 200809L
#include "command.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What follows a string that begins at `at`, or its end where the text breaks off. */
static const char *after_string(const char *at) {
    for (at++; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1]) at++;
    }
    return *at ? at + 1 : at;
}

static const char *after_blanks(const char *at) {
    return at + strspn(at, " \t\r\n");
}

/* The member of this key at the top level of a JSON object, where its name begins, or NULL. Where the text is no JSON,
 * the library will say so. */
static const char *find_member(const char *json, const char *key) {
    size_t length = strlen(key);
    int depth = 0;
    for (const char *at = json; *at;) {
        if (*at == '{' || *at == '[') depth++;
        if (*at == '}' || *at == ']') depth--;
        if (*at != '"') {
            at++;
            continue;
        }
        const char *begin = at;
        at = after_string(begin);
        bool is_name = depth == 1 && *after_blanks(at) == ':';
        if (is_name && (size_t)(at - begin) == length + 2 && strncmp(begin + 1, key, length) == 0) return begin;
    }
    return NULL;
}

static const char *value_of(const char *member) {
    return after_blanks(after_blanks(after_string(member)) + 1);
}

/* What follows a value: a comma, or the bracket that closes what it stands in. */
static const char *after_value(const char *at) {
    int depth = 0;
    while (*at) {
        if (depth == 0 && (*at == ',' || *at == '}' || *at == ']')) return at;
        if (*at == '{' || *at == '[') depth++;
        if (*at == '}' || *at == ']') depth--;
        at = *at == '"' ? after_string(at) : at + 1;
    }
    return at;
}

/* A setting, from its variable or from the file that NAME_FILE names, as the library reads it. Not from a pipe, which
 * can be read only once. */
static void add_setting(struct buffer *into, const char *name) {
    char file_name[64];
    const char *value = getenv(name);
    if (value && *value) {
        buffer_add_text(into, value);
        return;
    }
    snprintf(file_name, sizeof file_name, "%s_FILE", name);
    value = getenv(file_name);
    struct stat status;
    bool is_file = value && *value && stat(value, &status) == 0 && S_ISREG(status.st_mode);
    FILE *file = is_file ? fopen(value, "rb") : NULL;
    char line[512];
    if (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = '\0';
        buffer_add_text(into, line);
    }
    if (file) fclose(file);
}

/* A name for the account's file: readable, and by its number unlike every other's (FNV-1a). */
static void add_account(struct buffer *into) {
    struct buffer account = buffer_new();
    add_setting(&account, "TOKENMGR_USERNAME");
    buffer_add_text(&account, "@");
    add_setting(&account, "TOKENMGR_HOST");
    /* What is stored is sealed for one client_id. */
    const char *options = getenv("TOKENMGR_OPTIONS");
    const char *member = options ? find_member(options, "client_id") : NULL;
    const char *client = member ? value_of(member) : NULL;
    if (client && *client == '"') {
        buffer_add_text(&account, " ");
        buffer_add(&account, client + 1, strcspn(client + 1, "\""));
    }

    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < account.len; i++) hash = (hash ^ (unsigned char)account.data[i]) * 1099511628211u;
    for (size_t i = 0; i < account.len && i < 80; i++) {
        char c = account.data[i];
        buffer_add(into, isalnum((unsigned char)c) || strchr("@._-", c) ? &c : "_", 1);
    }
    char number[32];
    snprintf(number, sizeof number, "-%016llx", (unsigned long long)hash);
    buffer_add_text(into, number);
    buffer_free(&account);
}

/* Makes the folder and those above it, for the user alone. */
static bool make_folder(char *path) {
    for (char *at = path + 1;; at++) {
        if (*at != '/' && *at != '\0') continue;
        char end = *at;
        *at = '\0';
        bool made = mkdir(path, 0700) == 0 || errno == EEXIST;
        *at = end;
        if (!made) return false;
        if (end == '\0') return true;
    }
}

/* Makes the key where there is none yet. Of two that do so at once, both go on with the key of the first. */
static bool make_key(const char *path) {
    if (access(path, R_OK) == 0) return true;
    if (errno != ENOENT) return false;
    struct buffer temporary = buffer_new();
    char number[32];
    snprintf(number, sizeof number, ".%ld", (long)getpid());
    buffer_add_text(&temporary, path);
    buffer_add_text(&temporary, number);

    tm_error *err = NULL;
    char *key = tm_generate_key(&err);
    unlink(temporary.data);
    int file = key ? open(temporary.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    bool good = file >= 0;
    if (good) {
        size_t length = strlen(key);
        good = write(file, key, length) == (ssize_t)length && fsync(file) == 0;
        good = close(file) == 0 && good;
        good = good && (link(temporary.data, path) == 0 || errno == EEXIST);
        int reason = errno;
        unlink(temporary.data);
        errno = reason;
    }
    tm_string_free(key);
    tm_error_free(err);
    buffer_free(&temporary);
    return good;
}

/* $XDG_STATE_HOME/tokenmgr; ~/.local/state/tokenmgr unless that is set. */
static bool add_folder(struct buffer *into) {
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    if (state && *state == '/') {
        buffer_add_text(into, state);
    } else if (home && *home == '/') {
        buffer_add_text(into, home);
        buffer_add_text(into, "/.local/state");
    } else {
        return false;
    }
    buffer_add_text(into, "/tokenmgr");
    return true;
}

static void add_store(struct buffer *into, const struct buffer *folder) {
    struct buffer path = buffer_new();
    buffer_add_text(&path, folder->data);
    buffer_add_text(&path, "/");
    add_account(&path);
    buffer_add_text(into, "\"store\":{\"type\":\"file\",\"path\":");
    buffer_add_json_string(into, path.data, path.len);
    path.len = folder->len;
    buffer_add_text(&path, "/key");
    buffer_add_text(into, ",\"key\":{\"file\":");
    buffer_add_json_string(into, path.data, path.len);
    buffer_add_text(into, "}}");
    buffer_free(&path);
}

static const char *given_options(void) {
    const char *given = getenv("TOKENMGR_OPTIONS");
    return !given || !*given || strcmp(given, "[]") == 0 ? "{}" : given;
}

/* Adds the user's own store, after what stands before it. Where there can be none it says so, unless it says it of
 * another store already. */
static bool add_own_store(struct buffer *into, bool is_quiet) {
    struct buffer folder = buffer_new(), key = buffer_new();
    bool kept = add_folder(&folder);
    if (!kept) {
        if (!is_quiet) complain(0, "tokens are not kept from one command to the next: set HOME, or XDG_STATE_HOME");
    } else {
        buffer_add_text(&key, folder.data);
        buffer_add_text(&key, "/key");
        kept = make_folder(folder.data) && make_key(key.data) && access(folder.data, W_OK) == 0;
        if (!kept && !is_quiet) {
            complain(0, "tokens are not kept from one command to the next: cannot write in %s: %s; set XDG_STATE_HOME",
                     folder.data, strerror(errno));
        }
    }
    if (kept) add_store(into, &folder);
    buffer_free(&key);
    buffer_free(&folder);
    return kept;
}

void add_options(struct buffer *into) {
    const char *given = given_options();
    const char *inside = after_blanks(given);
    if (*inside != '{' || find_member(given, "store")) {
        buffer_add_text(into, given);
        return;
    }
    inside = after_blanks(inside + 1);
    buffer_add_text(into, "{");
    if (add_own_store(into, false) && *inside != '}') buffer_add_text(into, ",");
    buffer_add_text(into, inside);
}

bool add_options_with_own_store(struct buffer *into) {
    const char *given = given_options();
    const char *store = find_member(given, "store");
    if (!store) return false;
    buffer_add(into, given, (size_t)(store - given));
    bool kept = add_own_store(into, true);
    buffer_add_text(into, after_value(value_of(store)));
    return kept;
}
