/* A store of the caller's own: what it is asked for, what its answers mean, and that a pair is never lost or used
 * twice where several managers share it. */
#include "store.h"

static tm_error *err = GARBAGE;

static bool holds(struct store *store, const char *text) {
    pthread_mutex_lock(&store->guard);
    bool found = store->data != NULL && memmem(store->data, store->len, text, strlen(text)) != NULL;
    pthread_mutex_unlock(&store->guard);
    return found;
}

static void a_second_manager_finds_the_pair(void) {
    struct store store;
    struct store_user first_user, second_user;
    store_init(&store);
    demo("{'reset':true}");
    tm_manager *first = new_manager_with_store(&first_user, &store, NULL);
    CHECK_INT(first_user.loads + first_user.saves + first_user.locks, 0); /* nothing was needed yet */
    CHECK_INT(get(first, "/api/v1/products"), 200);
    CHECK(first_user.saves > 0);
    char *access = strdup(access_token(first));
    tm_free(first);

    tm_manager *second = new_manager_with_store(&second_user, &store, NULL);
    CHECK_STRING(access_token(second), access);
    CHECK_INT(get(second, "/api/v1/products"), 200);
    CHECK_COUNT("logins", 1);
    CHECK_COUNT("refresh_arrivals", 0);
    CHECK_INT(first_user.conflicts + second_user.conflicts, 0);

    /* A fresh token is served from memory. */
    long loads = second_user.loads;
    for (int i = 0; i < 100; i++)
        CHECK_STRING(access_token(second), access);
    CHECK_INT(second_user.loads, loads);

    /* After a logout it is nobody's any more. */
    CHECK_STATUS(TM_OK, tm_logout(second, &err), err);
    CHECK(!holds(&store, access));
    tm_free(second);
    store_user_drop(&second_user);
    tm_manager *third = new_manager_with_store(&second_user, &store, NULL);
    CHECK_INT(get(third, "/api/v1/products"), 200);
    CHECK_COUNT("logins", 2);
    CHECK_COUNT("logouts", 1);
    CHECK_COUNT("refresh_arrivals", 0);
    tm_free(third);
    free(access);
    store_user_drop(&first_user);
    store_user_drop(&second_user);
    store_drop(&store);
}

/* A pair is in the store before any caller gets it: whoever comes next finds what the last one was given. */
static void what_a_caller_got_the_store_has(void) {
    struct store store;
    struct store_user user;
    store_init(&store);
    demo("{'reset':true}");
    for (int i = 0; i < 3; i++) {
        tm_manager *tm = new_manager_with_store(&user, &store, NULL);
        CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err);
        char *access = strdup(access_token(tm));
        tm_free(tm);
        store_user_drop(&user);

        tm_manager *next = new_manager_with_store(&user, &store, NULL);
        CHECK_STRING(access_token(next), access);
        tm_free(next);
        store_user_drop(&user);
        free(access);
    }
    CHECK_COUNT("logins", 1);
    CHECK_COUNT("refreshes", 2);
    CHECK_COUNT("max_arrivals_of_one_refresh_token", 1);
    store_drop(&store);
}

/* Without lock and unlock: a store that no one shares. */
static void locks_may_be_left_out(void) {
    struct store store;
    struct store_user user;
    store_init(&store);
    store_user_init(&user, &store);
    demo("{'reset':true,'access_ms':2000}");
    tm_manager *tm = new_manager(NULL);
    CHECK_STATUS(TM_OK, tm_set_store(tm, store_load, store_save, NULL, NULL, &user, &err), err);
    WAIT_UNTIL(get(tm, "/api/v1/products") != 200 || demo_count("refreshes") >= 1);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_COUNT("logins", 1);
    CHECK_COUNT("reuse", 0);
    CHECK_INT(user.locks, 0);
    tm_free(tm);
    store_user_drop(&user);
    store_drop(&store);
}

/* ---- managers sharing one, as processes would ------------------------------------------------------ */

#define MANAGERS 2
#define THREADS_EACH 4

static struct { long stop, calls, failed; } load_of;

static void *keep_calling(void *manager) {
    while (count(&load_of.stop) == 0)
        add(get((tm_manager *)manager, "/api/v1/products") == 200 ? &load_of.calls : &load_of.failed, 1);
    return NULL;
}

static void sharing_costs_one_refresh_per_expiry(void) {
    struct store store;
    struct store_user users[MANAGERS];
    tm_manager *managers[MANAGERS];
    pthread_t threads[MANAGERS * THREADS_EACH];
    const long rotations = brief ? 2 : 4;
    store_init(&store);
    demo("{'reset':true,'access_ms':2000}");
    for (int i = 0; i < MANAGERS; i++)
        managers[i] = new_manager_with_store(&users[i], &store, NULL);
    int64_t began = now_ms();
    for (int i = 0; i < MANAGERS * THREADS_EACH; i++)
        REQUIRE(pthread_create(&threads[i], NULL, keep_calling, managers[i % MANAGERS]) == 0);
    WAIT_UNTIL(demo_count("refreshes") >= rotations);
    add(&load_of.stop, 1);
    for (int i = 0; i < MANAGERS * THREADS_EACH; i++)
        pthread_join(threads[i], NULL);

    /* A token of 2 s is refreshed in its last second, at the earliest. */
    CHECK_BETWEEN(demo_count("refreshes"), rotations, (now_ms() - began) / 1000 + 2);
    CHECK_COUNT("logins", 1);
    CHECK_COUNT("reuse", 0);
    CHECK_COUNT("max_arrivals_of_one_refresh_token", 1);
    CHECK_INT(load_of.failed, 0);
    CHECK(load_of.calls > 0);
    for (int i = 0; i < MANAGERS; i++) {
        tm_free(managers[i]);
        store_user_drop(&users[i]);
    }
    store_drop(&store);
}

/* ---- stores that fail ------------------------------------------------------------------------------ */

/* Only 1 is done; a forgotten return, which may be anything, is a failure, and no failure stops the service. */
static void a_failing_store_stops_nobody(void) {
    static const int32_t answers[] = { 2, -1, 42, INT32_MIN, INT32_MAX };
    for (size_t i = 0; i < (brief ? 2 : sizeof answers / sizeof *answers); i++) {
        for (int which = 0; which < 4; which++) {
            struct store store;
            struct store_user user;
            store_init(&store);
            demo("{'reset':true}");
            tm_manager *tm = new_manager_with_store(&user, &store, "{'timeout_ms':10000}");
            int *returns[] = { &store.load_returns, &store.save_returns, &store.lock_returns, &store.unlock_returns };
            *returns[which] = answers[i];
            CHECK_INT(get(tm, "/api/v1/products"), 200); /* nothing held: it logs in, and keeps that to itself */
            demo("{'revoke':{'what':'access'}}");
            CHECK_INT(get(tm, "/api/v1/products"), 200);
            *returns[which] = 0;
            CHECK_INT(get(tm, "/api/v1/products"), 200); /* the store is back */
            CHECK_COUNT("reuse", 0);
            CHECK_BETWEEN(demo_count("max_arrivals_of_one_refresh_token"), 0, 1);
            CHECK_BETWEEN(demo_count("logins"), 1, 3);
            tm_free(tm);
            store_user_drop(&user);
            store_drop(&store);
        }
    }
}

static void a_store_that_fails_while_a_token_is_good_costs_nothing(void) {
    struct store store;
    struct store_user user;
    store_init(&store);
    demo("{'reset':true}");
    tm_manager *tm = new_manager_with_store(&user, &store, NULL);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    store.load_returns = store.save_returns = store.lock_returns = 2;
    for (int i = 0; i < 10; i++)
        CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_COUNT("logins", 1);
    CHECK_COUNT("refresh_arrivals", 0);
    tm_free(tm);
    store_user_drop(&user);
    store_drop(&store);
}

/* Where nothing else can serve, the message names the operation that failed. */
static void a_store_that_was_the_only_source_is_an_error(void) {
    struct store store;
    struct store_user user;
    store_init(&store);
    store_user_init(&user, &store);
    unsetenv("TOKENMGR_PASSWORD");
    unsetenv("TOKENMGR_PASSWORD_FILE");
    demo("{'reset':true}");
    tm_manager *tm = new_manager_as(USERNAME, NULL, NULL);
    CHECK_STATUS(TM_OK, tm_set_store(tm, store_load, store_save, store_lock, store_unlock, &user, &err), err);
    store.load_returns = 2;
    CHECK(tm_get_token(tm, &err) == NULL);
    CHECK_CONTAINS(tm_error_message(err), "load");
    CHECK_ERROR(err, TM_STORE);
    CHECK_COUNT("connections", 0);
    tm_free(tm);
    store_user_drop(&user);
    store_drop(&store);
}

/* 0: somebody else has the lock, or the record. The call ends by its timeout, one way or the other. */
static void a_no_is_not_a_failure_but_has_an_end(void) {
    struct store store;
    struct store_user user;
    store_init(&store);
    demo("{'reset':true}");
    tm_manager *tm = new_manager_with_store(&user, &store, "{'timeout_ms':1500}");
    store.locked = true; /* and never unlocked */
    int64_t began = now_ms();
    int outcome = get(tm, "/api/v1/products");
    CHECK(outcome == 200 || outcome == -TM_LOCK_TIMEOUT || outcome == -TM_TIMEOUT);
    CHECK(now_ms() - began < WAIT_LIMIT_MS / 2);
    store.locked = false;
    WAIT_UNTIL(get(tm, "/api/v1/products") == 200);
    CHECK_BETWEEN(demo_count("logins"), 1, 2);
    CHECK_COUNT("reuse", 0);
    tm_free(tm);
    store_user_drop(&user);
    store_drop(&store);
}

static int32_t stop_at_the_third(void *asked) { return add((long *)asked, 1) >= 3; }

/* However long somebody else keeps the lock: the interrupt callback is asked in between. */
static void a_wait_for_the_lock_asks_the_interrupt(void) {
    struct store store;
    struct store_user user;
    long asked = 0;
    store_init(&store);
    demo("{'reset':true}");
    tm_manager *tm = new_manager_with_store(&user, &store, NULL);
    CHECK_STATUS(TM_OK, tm_set_interrupt_callback(tm, stop_at_the_third, &asked, &err), err);
    store.locked = true;
    CHECK_NULL(TM_CANCELLED, call(tm, "GET", "/api/v1/products", NULL, &err), err);
    CHECK_INT(asked, 3);
    CHECK_BETWEEN(user.longest_wait_ms, 1, 50);
    store.locked = false;
    tm_free(tm);
    store_user_drop(&user);
    store_drop(&store);
}

/* Somebody wrote nonsense there, or half of a record. */
static void a_look_at_the_store_changes_nothing(void) {
    struct store store;
    struct store_user user;
    store_init(&store);
    demo("{'reset':true}");
    tm_manager *tm = new_manager_with_store(&user, &store, NULL);
    CHECK_STATUS(TM_OK, tm_check_store(tm, &err), err); /* nothing in it is nothing wrong */
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    long saves = user.saves;
    CHECK_STATUS(TM_OK, tm_check_store(tm, &err), err);
    store.load_returns = -1;
    CHECK_STATUS(TM_STORE, tm_check_store(tm, &err), err);
    store.load_returns = 0;
    store_replace(&store, "no record", 9);
    CHECK_STATUS(TM_STORE, tm_check_store(tm, &err), err);
    CHECK_INT(user.saves, saves);
    CHECK_COUNT("logins", 1);
    tm_free(tm);
    store_user_drop(&user);
    store_drop(&store);

    /* What is kept in memory is there. */
    tm = new_manager(NULL);
    CHECK_STATUS(TM_OK, tm_check_store(tm, &err), err);
    tm_free(tm);
}

static void nonsense_in_the_store_stops_nobody(void) {
    static const char *const records[] = {
        "x", "{}", "null", "[]", "{\"access_token\":", "{\"access_token\":7,\"refresh_token\":[],\"expires_at\":\"x\"}",
        "\xff\xfe\x00\x01", "{\"access_token\":\"a\\r\\nb\",\"refresh_token\":\"\",\"expires_at\":99999999999}" };
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        struct store store;
        struct store_user user;
        store_init(&store);
        store_replace(&store, records[i], strlen(records[i]));
        demo("{'reset':true}");
        tm_manager *tm = new_manager_with_store(&user, &store, NULL);
        CHECK_INT(get(tm, "/api/v1/products"), 200);
        CHECK_COUNT("logins", 1);
        tm_free(tm);
        store_user_drop(&user);
        store_drop(&store);
    }
}

/* Handles with unlike stores never share tokens, so a persistent one must say which store it means. */
static void a_persistent_manager_names_its_store(void) {
    struct store store;
    struct store_user user;
    store_init(&store);
    store_user_init(&user, &store);
    demo("{'reset':true}");
    tm_manager *unnamed = new_manager("{'persistent':true}");
    CHECK(tm_set_store(unnamed, store_load, store_save, NULL, NULL, &user, &err) != TM_OK);
    CHECK(err != NULL);
    tm_error_free(err);
    err = GARBAGE;
    CHECK_INT(get(unnamed, "/api/v1/products"), 200); /* the store was not taken */
    CHECK_INT(user.loads + user.saves, 0);
    tm_free(unnamed);

    tm_manager *named = new_manager("{'persistent':true,'store':{'type':'callback','id':'of this test'}}");
    CHECK_STATUS(TM_OK, tm_set_store(named, store_load, store_save, store_lock, store_unlock, &user, &err), err);
    CHECK_INT(get(named, "/api/v1/products"), 200);
    CHECK(user.saves > 0);
    CHECK_COUNT("logins", 2);
    tm_free(named);
    store_user_drop(&user);
    store_drop(&store);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    a_second_manager_finds_the_pair();
    what_a_caller_got_the_store_has();
    locks_may_be_left_out();
    sharing_costs_one_refresh_per_expiry();
    a_failing_store_stops_nobody();
    a_store_that_fails_while_a_token_is_good_costs_nothing();
    a_store_that_was_the_only_source_is_an_error();
    a_no_is_not_a_failure_but_has_an_end();
    a_wait_for_the_lock_asks_the_interrupt();
    a_look_at_the_store_changes_nothing();
    nonsense_in_the_store_stops_nobody();
    a_persistent_manager_names_its_store();
    return check_end();
}
