/* A store of the caller's own, in memory: what a C program would write around its database. Several
 * managers may share one, as processes would. */
#ifndef STORE_H
#define STORE_H

#include "check.h"

struct store {
    pthread_mutex_t guard;
    pthread_cond_t unlocked;
    bool locked;
    char *data; /* NULL: nothing */
    size_t len;
    char key[256];
    /* What a callback returns in place of the truth, once that is not 0. */
    int load_returns, save_returns, lock_returns, unlock_returns;
};

/* One handle's way to it: what its callbacks saw. */
struct store_user {
    struct store *store;
    char *loaded; /* what load gave last; NULL: nothing */
    size_t loaded_len;
    long inside, overlaps;
    long loads, saves, conflicts, deletions, locks, unlocks;
    int64_t longest_wait_ms; /* that lock was ever asked for */
};

static inline void store_init(struct store *store) {
    memset(store, 0, sizeof *store);
    pthread_mutex_init(&store->guard, NULL);
    pthread_cond_init(&store->unlocked, NULL);
}

static inline void store_replace(struct store *store, const void *data, size_t len) {
    free(store->data);
    store->data = NULL;
    store->len = len;
    if (len > 0) {
        store->data = (char *)malloc(len);
        REQUIRE(store->data != NULL);
        memcpy(store->data, data, len);
    }
}

static inline void store_drop(struct store *store) {
    store_replace(store, NULL, 0);
    pthread_mutex_destroy(&store->guard);
    pthread_cond_destroy(&store->unlocked);
}

static inline void store_user_init(struct store_user *user, struct store *store) {
    memset(user, 0, sizeof *user);
    user->store = store;
}

static inline void store_user_drop(struct store_user *user) {
    CHECK_INT(user->overlaps, 0);
    CHECK_INT(user->locks, user->unlocks);
    free(user->loaded);
}

static inline struct store *store_enter(struct store_user *user, const char *key) {
    struct store *store = user->store;
    if (add(&user->inside, 1) != 1)
        add(&user->overlaps, 1);
    pthread_mutex_lock(&store->guard);
    CHECK(key != NULL && key[0] != '\0');
    CHECK_LACKS(key, PASSWORD);
    if (store->key[0] == '\0')
        snprintf(store->key, sizeof store->key, "%s", key);
    CHECK_STRING(key, store->key); /* everyone means the same record */
    return store;
}

static inline int32_t store_leave(struct store_user *user, int32_t result) {
    pthread_mutex_unlock(&user->store->guard);
    add(&user->inside, -1);
    return result;
}

static inline int32_t store_load(void *userdata, const char *key, tm_sink *out) {
    struct store_user *user = (struct store_user *)userdata;
    struct store *store = store_enter(user, key);
    user->loads++;
    if (store->load_returns != 0)
        return store_leave(user, store->load_returns);
    free(user->loaded);
    user->loaded = NULL;
    user->loaded_len = store->len;
    if (store->len > 0) {
        user->loaded = (char *)malloc(store->len);
        REQUIRE(user->loaded != NULL);
        memcpy(user->loaded, store->data, store->len);
        tm_sink_put(out, store->data, store->len);
    }
    return store_leave(user, 1);
}

static inline int32_t store_save(void *userdata, const char *key, const void *data, size_t len,
                                 const void *expected, size_t expected_len, int64_t ttl_seconds) {
    struct store_user *user = (struct store_user *)userdata;
    struct store *store = store_enter(user, key);
    user->saves++;
    CHECK(ttl_seconds >= 0);
    CHECK_INT(len == 0 || data != NULL, true);
    /* expected is what load gave, NULL if nothing. */
    CHECK_INT(expected == NULL, user->loaded == NULL);
    CHECK_INT(expected_len, user->loaded_len);
    if (expected != NULL && user->loaded != NULL && expected_len == user->loaded_len)
        CHECK(memcmp(expected, user->loaded, expected_len) == 0);
    if (store->save_returns != 0)
        return store_leave(user, store->save_returns);

    if (expected_len != store->len || (store->len > 0 && memcmp(expected, store->data, store->len) != 0)) {
        user->conflicts++;
        return store_leave(user, 0);
    }
    user->deletions += len == 0;
    store_replace(store, data, len);
    return store_leave(user, 1);
}

static inline int32_t store_lock(void *userdata, const char *key, int64_t wait_ms) {
    struct store_user *user = (struct store_user *)userdata;
    struct store *store = store_enter(user, key);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    CHECK(wait_ms >= 0);
    if (wait_ms > user->longest_wait_ms)
        user->longest_wait_ms = wait_ms;
    until.tv_sec += (time_t)(wait_ms / 1000);
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    if (store->lock_returns != 0)
        return store_leave(user, store->lock_returns);
    while (store->locked)
        if (pthread_cond_timedwait(&store->unlocked, &store->guard, &until) != 0)
            return store_leave(user, 0);
    store->locked = true;
    user->locks++;
    return store_leave(user, 1);
}

static inline int32_t store_unlock(void *userdata, const char *key) {
    struct store_user *user = (struct store_user *)userdata;
    struct store *store = store_enter(user, key);
    CHECK(store->locked);
    store->locked = false;
    user->unlocks++;
    pthread_cond_signal(&store->unlocked);
    return store_leave(user, store->unlock_returns != 0 ? store->unlock_returns : 1);
}

/* A client of the demo API that keeps its tokens there. */
static inline tm_manager *new_manager_with_store(struct store_user *user, struct store *store, const char *options) {
    tm_error *err = GARBAGE;
    tm_manager *tm = new_manager(options);
    store_user_init(user, store);
    CHECK_STATUS(TM_OK, tm_set_store(tm, store_load, store_save, store_lock, store_unlock, user, &err), err);
    return tm;
}

#endif
