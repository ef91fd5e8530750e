/* A callback that never returns loses its own call only. PHP leaves callbacks like this on a fatal error; here it
 * is a longjmp out of each callback, while others wait for the very login that is lost with it. */
#include "store.h"

#include <setjmp.h>

static tm_error *err = GARBAGE;

#define OTHERS 4

/* The way out that a callback takes, once, at its nth visit by the thread that opened it. */
static struct {
    jmp_buf out;
    pthread_t thread;
    int visits_left; /* 0: closed */
    tm_manager *tm;
    pthread_t others[OTHERS];
    long others_begun, others_served;
} door;

/* Has time enough for the lost call's 1.5 s to run out, and for the work itself. */
static void *one_of_the_others(void *manager) {
    tm_error *why = GARBAGE;
    add(&door.others_begun, 1);
    tm_response *response = call((tm_manager *)manager, "GET", "/api/v1/products", "{'timeout_ms':4000}", &why);
    CHECK_OK(why);
    add(&door.others_served, tm_response_status(response) == 200);
    tm_response_free(response);
    return NULL;
}

static bool is_locked(struct store *store) {
    pthread_mutex_lock(&store->guard);
    bool locked = store->locked;
    pthread_mutex_unlock(&store->guard);
    return locked;
}

static void leave_if_it_is_time(struct store_user *user, const char *key) {
    if (!pthread_equal(pthread_self(), door.thread) || door.visits_left == 0 || --door.visits_left > 0)
        return;
    for (int i = 0; i < OTHERS; i++)
        REQUIRE(pthread_create(&door.others[i], NULL, one_of_the_others, door.tm) == 0);
    WAIT_UNTIL(count(&door.others_begun) == OTHERS);
    /* A database lets go of a lock when its session ends; so does this store. */
    if (user != NULL && is_locked(user->store))
        store_unlock(user, key);
    longjmp(door.out, 1);
}

static void leave_log(void *userdata, int32_t level, const char *message) {
    (void)level; (void)message;
    add((long *)userdata, 1);
    leave_if_it_is_time(NULL, NULL);
}

static int32_t leave_interrupt(void *userdata) {
    (void)userdata;
    leave_if_it_is_time(NULL, NULL);
    return 0;
}

static int32_t leave_load(void *userdata, const char *key, tm_sink *out) {
    leave_if_it_is_time((struct store_user *)userdata, key);
    return store_load(userdata, key, out);
}

static int32_t leave_save(void *userdata, const char *key, const void *data, size_t len,
                          const void *expected, size_t expected_len, int64_t ttl_seconds) {
    leave_if_it_is_time((struct store_user *)userdata, key);
    return store_save(userdata, key, data, len, expected, expected_len, ttl_seconds);
}

static int32_t leave_lock(void *userdata, const char *key, int64_t wait_ms) {
    leave_if_it_is_time(NULL, NULL);
    return store_lock(userdata, key, wait_ms);
}

static int32_t leave_unlock(void *userdata, const char *key) {
    int32_t result = store_unlock(userdata, key);
    leave_if_it_is_time(NULL, NULL);
    return result;
}

/* Whether the call was left. What it held is never freed. */
static bool abandoned_call(tm_manager *tm, int visit) {
    door.tm = tm;
    door.thread = pthread_self();
    door.others_begun = door.others_served = 0;
    door.visits_left = visit;
    if (setjmp(door.out) != 0)
        return true;
    tm_response_free(call(tm, "GET", "/api/v1/products", "{'timeout_ms':1500}", NULL));
    door.visits_left = 0;
    return false;
}

static void the_others_go_on(tm_manager *tm) {
    for (int i = 0; i < OTHERS; i++)
        pthread_join(door.others[i], NULL);
    CHECK_INT(door.others_served, OTHERS);
    CHECK_INT(get(tm, "/api/v1/products"), 200); /* and so does the thread that left */
    demo("{'revoke':{'what':'access'}}");
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_COUNT("reuse", 0);
    CHECK_BETWEEN(demo_count("max_arrivals_of_one_refresh_token"), 0, 1);
}

static void out_of_a_log_callback(void) {
    demo("{'reset':true}");
    long lines = 0;
    tm_manager *tm = new_manager(NULL);
    CHECK_STATUS(TM_OK, tm_set_log_callback(tm, leave_log, &lines, 4, &err), err);
    bool left = abandoned_call(tm, 1);
    CHECK(left);
    if (left)
        the_others_go_on(tm);
    /* The thread is no longer inside the callback that it left: its calls are logged. */
    long before = count(&lines);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK(count(&lines) > before);
    tm_free(tm);
}

/* While it waits for the login, and while it waits for the API. */
static void out_of_an_interrupt_callback(void) {
    static const char *const faults[] = {
        "{'reset':true,'faults':{'route':'/auth/login','do':'hang'}}",
        "{'reset':true,'faults':{'route':'/api/v1/products','do':'hang'}}" };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        demo(faults[i]);
        tm_manager *tm = new_manager(NULL);
        CHECK_STATUS(TM_OK, tm_set_interrupt_callback(tm, leave_interrupt, NULL, &err), err);
        bool left = abandoned_call(tm, 2);
        CHECK(left);
        if (left)
            the_others_go_on(tm);
        tm_free(tm);
    }
}

struct way_out {
    tm_store_load load;
    tm_store_save save;
    tm_store_lock lock;
    tm_store_unlock unlock;
    int visit;
    bool certain; /* a login cannot do without it */
};

static void out_of_a_store_callback(void) {
    static const struct way_out ways[] = {
        { leave_load, store_save, store_lock, store_unlock, 1, true },
        { store_load, leave_save, store_lock, store_unlock, 1, true },
        { store_load, leave_save, store_lock, store_unlock, 2, false }, /* the new pair, after the claim */
        { store_load, store_save, leave_lock, store_unlock, 1, true },
        { store_load, store_save, leave_lock, store_unlock, 2, false },
        { store_load, store_save, store_lock, leave_unlock, 1, true },
        { store_load, store_save, store_lock, leave_unlock, 2, false } };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct store store;
        struct store_user user;
        store_init(&store);
        store_user_init(&user, &store);
        demo("{'reset':true}");
        tm_manager *tm = new_manager(NULL);
        const struct way_out *way = &ways[i];
        CHECK_STATUS(TM_OK, tm_set_store(tm, way->load, way->save, way->lock, way->unlock, &user, &err), err);
        bool left = abandoned_call(tm, way->visit);
        CHECK(left || !way->certain);
        if (left)
            the_others_go_on(tm);
        tm_free(tm);
        store_user_drop(&user);
        store_drop(&store);
    }
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    out_of_a_log_callback();
    out_of_an_interrupt_callback();
    out_of_a_store_callback();
    return check_end();
}
