/* Many threads on one manager, while its tokens expire and are revoked: nobody fails, and nothing is refreshed
 * more often than it must be. */
#include "check.h"

#define THREADS 32

static tm_error *err = GARBAGE;

static struct {
    tm_manager *tm;
    long stop, failed;
    long calls[THREADS];
} work;

/* Mostly whole calls; now and then only the token, as a program with its own HTTP client would. */
static void *keep_calling(void *calls) {
    long *mine = (long *)calls;
    while (count(&work.stop) == 0) {
        bool served;
        if (*mine % 4 == 3) {
            char token[4096];
            served = tm_copy_access_token(work.tm, token, sizeof token, NULL) > 0;
        } else {
            served = get(work.tm, "/api/v1/products") == 200;
        }
        add(served ? mine : &work.failed, 1);
    }
    return NULL;
}

/* Waits until every thread has been served again. */
static void everyone_once_more(void) {
    for (int i = 0; i < THREADS; i++) {
        long before = count(&work.calls[i]);
        WAIT_UNTIL(count(&work.calls[i]) > before || count(&work.failed) > 0);
    }
}

static void one_refresh_for_all(void) {
    const long rounds = brief ? 1 : 4;
    pthread_t threads[THREADS];
    demo("{'reset':true,'access_ms':2000}");
    work.tm = new_manager(NULL);
    int64_t began = now_ms();
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, keep_calling, &work.calls[i]) == 0);

    for (long round = 0; round < rounds; round++) {
        long refreshes = demo_count("refreshes");
        WAIT_UNTIL(demo_count("refreshes") > refreshes); /* it expired */
        refreshes = demo_count("refreshes");
        demo("{'revoke':{'what':'access'}}");
        WAIT_UNTIL(demo_count("refreshes") > refreshes);
        everyone_once_more();
    }
    add(&work.stop, 1);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);

    /* One for each revocation, and for each token of 2 s one in its last second, at the earliest. */
    CHECK_BETWEEN(demo_count("refreshes"), 2 * rounds, rounds + (now_ms() - began) / 1000 + 2);
    CHECK_COUNT("logins", 1);
    CHECK_COUNT("reuse", 0);
    CHECK_COUNT("max_arrivals_of_one_refresh_token", 1);
    CHECK_INT(work.failed, 0);
    tm_free(work.tm);
}

/* All at once, with nothing held: one login. */
static pthread_barrier_t start;

static void *call_once(void *tm) {
    pthread_barrier_wait(&start);
    if (get((tm_manager *)tm, "/api/v1/products") != 200)
        add(&work.failed, 1);
    return NULL;
}

static void one_login_for_all(void) {
    pthread_t threads[THREADS];
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, call_once, tm) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    CHECK_INT(work.failed, 0);
    CHECK_COUNT("logins", 1);
    CHECK_COUNT("api_200", THREADS);
    tm_free(tm);
}

/* A waiter's timeout is its own: the one who is in the refresh, and whoever waits longer, go on. */
static void *wait_long(void *tm) {
    tm_error *why = GARBAGE;
    tm_response *response = call((tm_manager *)tm, "GET", "/api/v1/products", NULL, &why);
    CHECK_OK(why);
    CHECK_INT(tm_response_status(response), 200);
    tm_response_free(response);
    return NULL;
}

static void every_wait_has_its_own_timeout(void) {
    pthread_t patient;
    demo("{'reset':true,'faults':{'route':'/auth/login','delay_before_ms':3000}}");
    tm_manager *tm = new_manager(NULL);
    REQUIRE(pthread_create(&patient, NULL, wait_long, tm) == 0);
    WAIT_UNTIL(demo_count("login_arrivals") == 1);
    CHECK_NULL(TM_TIMEOUT, call(tm, "GET", "/api/v1/products", "{'timeout_ms':200}", &err), err);
    pthread_join(patient, NULL);
    CHECK_COUNT("logins", 1);
    tm_free(tm);
}

/* The one in the refresh gets no answer; its token counts as used, and somebody takes over with a login. */
static void *wait_a_second(void *tm) {
    tm_response_free(call((tm_manager *)tm, "GET", "/api/v1/products", "{'timeout_ms':1000}", NULL));
    return NULL;
}

static void a_waiter_takes_over(void) {
    pthread_t waiters[4];
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    demo("{'revoke':{'what':'access'},'faults':{'route':'/auth/refresh','do':'hang'}}");
    for (int i = 0; i < 4; i++) {
        if (i == 1)
            WAIT_UNTIL(demo_count("refresh_arrivals") == 1);
        REQUIRE(pthread_create(&waiters[i], NULL, i == 0 ? wait_a_second : wait_long, tm) == 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(waiters[i], NULL);
    CHECK_COUNT("refresh_arrivals", 1);
    CHECK_COUNT("logins", 2);
    tm_free(tm);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    one_login_for_all();
    one_refresh_for_all();
    every_wait_has_its_own_timeout();
    a_waiter_takes_over();
    return check_end();
}
