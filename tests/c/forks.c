/* fork() in the middle of it all: parent and child both go on with the handle that they share, no answer is ever
 * another's, and a refresh token that was held in memory never arrives twice. */
#include "check.h"

#define THREADS 8
#define CALLS_OF_A_CHILD 15
#define PATIENCE_SECONDS 120 /* ends a child that hangs; the parent then counts a failure */

static struct {
    tm_manager *tm;
    long stop, calls;
    long who; /* gives every thread a number of its own */
} work;

/* Sends an id that nobody else sends, and wants it back: in the URL, and in the body. */
static void call_with_an_id(tm_manager *tm, long thread, long n) {
    char id[64], path[128], body[128];
    tm_error *why = GARBAGE;
    snprintf(id, sizeof id, "id-%ld-%ld-%ld-", (long)getpid(), thread, n);
    snprintf(path, sizeof path, "/api/v1/echo?id=%s", id);
    snprintf(body, sizeof body, "{\"id\":\"%s\"}", id);
    tm_response *response = tm_request(tm, "POST", path, body, strlen(body), "{\"idempotent\":true}", &why);
    if (CHECK_OK(why) && response != NULL) {
        const char *echo = (const char *)tm_response_body(response);
        CHECK_INT(tm_response_status(response), 200);
        int seen = 0;
        for (const char *at = strstr(echo, "id-"); at != NULL; at = strstr(at + 1, "id-")) {
            CHECK(strncmp(at, id, strlen(id)) == 0);
            seen++;
        }
        CHECK(seen >= 2);
    }
    tm_response_free(response);
}

/* The child leaks what it inherited, which is right: another thread may have been in the middle of it. Whose call made
 * a thing can be told by these two names alone: see forks.valgrind. */
__attribute__((noinline))
static void call_as_a_parent(tm_manager *tm, long thread, long n) { call_with_an_id(tm, thread, n); }

__attribute__((noinline))
static void call_as_a_child(tm_manager *tm, long n) { call_with_an_id(tm, 0, n); }

static void *keep_calling(void *unused) {
    long me = add(&work.who, 1);
    (void)unused;
    for (long n = 0; count(&work.stop) == 0; n++) {
        call_as_a_parent(work.tm, me, n);
        add(&work.calls, 1);
    }
    return NULL;
}

/* What every child does: goes on with the handle, frees its copy, and ends. */
static void live_as_a_child(tm_manager *tm) {
    alarm(PATIENCE_SECONDS);
    for (long n = 0; n < CALLS_OF_A_CHILD; n++)
        call_as_a_child(tm, n);
    tm_free(tm);
}

static pid_t fork_a_child(tm_manager *tm) {
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        failures = 0; /* each process counts its own */
        live_as_a_child(tm);
        exit(check_end());
    }
    return child;
}

static void wait_for(pid_t child) {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(!WIFSIGNALED(status));
    CHECK_INT(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
}

static void check_tokens_were_used_once(long children) {
    CHECK_COUNT("reuse", 0);
    CHECK_BETWEEN(demo_count("max_arrivals_of_one_refresh_token"), 0, 1);
    CHECK_BETWEEN(demo_count("logins"), 1, 1 + children); /* a child may log in, once */
}

static void p1_both_sides_go_on(void) {
    pid_t child;
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    child = fork_a_child(tm); /* before any call */
    wait_for(child);
    call_as_a_parent(tm, 1, 1);
    child = fork_a_child(tm); /* with a connection open, that both now have */
    for (long n = 0; n < CALLS_OF_A_CHILD; n++)
        call_as_a_parent(tm, 2, n);
    wait_for(child);
    call_as_a_parent(tm, 3, 1);
    check_tokens_were_used_once(2);
    tm_free(tm);
}

/* A child may use the access token that it inherited; the refresh token is its parent's. */
static void p1_a_child_never_uses_its_parents_refresh_token(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    call_as_a_parent(tm, 1, 1);
    CHECK_COUNT("logins", 1);
    demo("{'revoke':{'what':'access'}}");
    wait_for(fork_a_child(tm));
    CHECK_COUNT("logins", 2);
    CHECK_COUNT("refresh_arrivals", 0);
    call_as_a_parent(tm, 1, 2);
    CHECK_COUNT("refreshes", 1);
    CHECK_COUNT("logins", 2);
    check_tokens_were_used_once(1);
    tm_free(tm);
}

/* One thread is in a login or a refresh when another forks: the child has nobody to wait for. */
static void p1_a_fork_may_come_at_the_worst_moment(void) {
    pthread_t thread;
    demo("{'reset':true,'faults':{'route':'/auth/login','delay_before_ms':1000}}");
    work.tm = new_manager(NULL);
    work.stop = work.calls = 0;
    REQUIRE(pthread_create(&thread, NULL, keep_calling, NULL) == 0);
    WAIT_UNTIL(demo_count("login_arrivals") == 1);
    pid_t during_login = fork_a_child(work.tm);
    WAIT_UNTIL(count(&work.calls) > 0);

    demo("{'revoke':{'what':'access'},'faults':{'route':'/auth/refresh','delay_after_ms':1000}}");
    WAIT_UNTIL(demo_count("refresh_arrivals") >= 1);
    pid_t during_refresh = fork_a_child(work.tm);
    wait_for(during_login);
    wait_for(during_refresh);
    add(&work.stop, 1);
    pthread_join(thread, NULL);
    CHECK_BETWEEN(demo_count("logins"), 2, 4);
    CHECK_COUNT("max_arrivals_of_one_refresh_token", 1);
    CHECK_COUNT("reuse", 0);
    tm_free(work.tm);
}

/* Eight threads call, tokens expire, and the main thread forks again and again. */
static void p1_forks_among_threads(void) {
    const int children = brief ? 2 : 8;
    pthread_t threads[THREADS];
    pid_t pids[8];
    demo("{'reset':true,'access_ms':2000}");
    work.tm = new_manager(NULL);
    work.stop = work.calls = 0;
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, keep_calling, NULL) == 0);
    for (int i = 0; i < children; i++) {
        long calls = count(&work.calls);
        WAIT_UNTIL(count(&work.calls) >= calls + 3 * THREADS);
        pids[i] = fork_a_child(work.tm);
    }
    long refreshes = demo_count("refreshes");
    WAIT_UNTIL(demo_count("refreshes") > refreshes);
    for (int i = 0; i < children; i++)
        wait_for(pids[i]);
    add(&work.stop, 1);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    check_tokens_were_used_once(children);
    tm_free(work.tm);
}

/* A child forks as well, and one that only leaves must not disturb anything. */
static void p1_generations(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    call_as_a_parent(tm, 1, 1);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        failures = 0;
        alarm(PATIENCE_SECONDS);
        call_as_a_parent(tm, 1, 1); /* it is one, soon */
        wait_for(fork_a_child(tm));
        call_as_a_parent(tm, 1, 2);
        tm_free(tm);
        exit(check_end());
    }
    wait_for(child);
    pid_t idle = fork();
    REQUIRE(idle >= 0);
    if (idle == 0)
        _exit(0);
    wait_for(idle);
    call_as_a_parent(tm, 1, 2);
    check_tokens_were_used_once(2);
    tm_free(tm);
}

__attribute__((noinline))
static void fill_as_a_parent(tm_manager *tm, tm_outcome *outcome) {
    CHECK_INT(tm_request_into(tm, "GET", "/api/v1/products", NULL, 0, NULL, outcome), TM_OK);
}

/* An outcome that a child inherits is its own copy: it reads it, uses it again and frees it. */
static void p1_outcomes(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    tm_outcome *outcome = tm_outcome_new();
    REQUIRE(outcome != NULL);
    fill_as_a_parent(tm, outcome);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        CHECK_CONTAINS(outcome->body, "Popup Coffee Card");
        CHECK_INT(tm_request_into(tm, "GET", "//", NULL, 0, NULL, outcome), TM_INVALID_ARGUMENT);
        CHECK(outcome->body == NULL);
        CHECK_INT(tm_error_code(outcome->error), TM_INVALID_ARGUMENT);
        tm_outcome_free(outcome);
        live_as_a_child(tm);
        _exit(check_end());
    }
    wait_for(child);
    CHECK_INT(outcome->status, 200);
    CHECK_CONTAINS(outcome->body, "Popup Coffee Card");
    tm_outcome_free(outcome);
    tm_free(tm);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    p1_both_sides_go_on();
    p1_a_child_never_uses_its_parents_refresh_token();
    p1_a_fork_may_come_at_the_worst_moment();
    p1_forks_among_threads();
    p1_generations();
    p1_outcomes();
    return check_end();
}
