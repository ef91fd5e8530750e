/* A call that a callback has left for good (longjmp): its thread's next call knows it for lost, wherever on the stack that
 * is made, and its descriptors are closed. A call that is only suspended, on a stack of its own, is not lost. */
#include "check.h"

#include <setjmp.h>
#include <ucontext.h>

static tm_error *err = GARBAGE;

static int files(void) { return entries("/proc/self/fd"); }

/* Does something deeper on the stack, and touches as little of it as a program may. */
#define LEVELS 30
__attribute__((noinline)) static int deeper(int levels, int (*what)(void *), void *argument) {
    volatile char room[4096];
    room[sizeof room - 1] = 0;
    int outcome = levels > 0 ? deeper(levels - 1, what, argument) : what(argument);
    return outcome + room[sizeof room - 1];
}

/* The status of a call that has not the time to wait for a lost one to run out. */
static int soon(void *tm) {
    tm_error *why = GARBAGE;
    tm_response *response = call((tm_manager *)tm, "GET", "/api/v1/products", "{'timeout_ms':10000}", &why);
    int outcome = response ? tm_response_status(response) : -(int)tm_error_code(why);
    tm_response_free(response);
    tm_error_free(why);
    return outcome;
}

/* ---- leaving ------------------------------------------------------------------------------------- */

static jmp_buf out;
static bool leaves;
static bool in_login; /* not before the login has arrived */

static int32_t leave(void *userdata) {
    (void)userdata;
    if (leaves && (!in_login || demo_count("login_arrivals") > 0)) {
        leaves = false;
        longjmp(out, 1);
    }
    return 0;
}

/* Makes a call that is left while it waits. It had a minute. */
static int lose_a_call(void *tm) {
    leaves = true;
    if (setjmp(out) == 0) {
        tm_response_free(call((tm_manager *)tm, "GET", "/api/v1/products", "{'timeout_ms':60000}", NULL));
        CHECK(false);
    }
    return 0;
}

static tm_manager *manager_that_leaves(void) {
    tm_manager *tm = new_manager(NULL);
    CHECK_STATUS(TM_OK, tm_set_interrupt_callback(tm, leave, NULL, &err), err);
    return tm;
}

/* Lost in the login, for which everyone else waits; at each depth, found out at each depth. */
static void a_lost_call_holds_up_nobody_of_its_thread(void) {
    for (int i = 0; i < 4; i++) {
        demo("{'reset':true,'faults':{'route':'/auth/login','do':'hang'}}");
        tm_manager *tm = manager_that_leaves();
        in_login = true;
        deeper(i & 1 ? LEVELS : 0, lose_a_call, tm);
        CHECK_INT(deeper(i & 2 ? LEVELS : 0, soon, tm), 200);
        CHECK_COUNT("logins", 1);
        in_login = false;
        tm_free(tm);
    }
}

/* Its lines are heard again, though a call that is made in a log callback has none. */
static void leave_log(void *lines, int32_t level, const char *message) {
    (void)level; (void)message;
    add((long *)lines, 1);
    leave(NULL);
}

static void calls_after_it_are_logged(void) {
    demo("{'reset':true}");
    long lines = 0;
    tm_manager *tm = new_manager(NULL);
    CHECK_STATUS(TM_OK, tm_set_log_callback(tm, leave_log, &lines, 4, &err), err);
    lose_a_call(tm);
    long before = count(&lines);
    CHECK_STATUS(TM_OK, tm_logout(tm, &err), err);
    CHECK_INT(deeper(LEVELS, soon, tm), 200);
    CHECK(count(&lines) > before);
    tm_free(tm);
}

static void its_descriptors_are_closed_by_the_next_call(void) {
    enum { MANY = 20 };
    demo("{'reset':true}");
    tm_manager *tm = manager_that_leaves();
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    int before = files();
    for (int i = 0; i < MANY; i++) {
        demo("{'faults':{'route':'/api/v1/products','do':'hang'}}");
        deeper(i % 2 ? LEVELS : 0, lose_a_call, tm);
    }
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_INT(files(), before);
    tm_free(tm);
}

static void *serve(void *tm) {
    CHECK_INT(get((tm_manager *)tm, "/api/v1/products"), 200);
    return NULL;
}

/* Its thread makes no further call, so others go by the time that the lost one had. */
static void *lose_a_short_call(void *tm) {
    leaves = true;
    if (setjmp(out) == 0)
        tm_response_free(call((tm_manager *)tm, "GET", "/api/v1/products", "{'timeout_ms':500}", NULL));
    return NULL;
}

static void others_close_them_after_its_time(void) {
    pthread_t thread;
    demo("{'reset':true}");
    tm_manager *tm = manager_that_leaves(), *other = new_manager("{'max_idle_connections':0}");
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    int before = files();
    demo("{'faults':{'route':'/api/v1/products','do':'hang'}}");
    REQUIRE(pthread_create(&thread, NULL, lose_a_short_call, tm) == 0);
    pthread_join(thread, NULL);
    CHECK_INT(files(), before);
    WAIT_UNTIL((serve(other), files() == before - 1));
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_INT(files(), before);
    tm_free(tm);
    tm_free(other);
}

/* A body callback leaves, too. */
static int64_t leave_read(void *userdata, void *buf, size_t len) {
    (void)buf; (void)len;
    leave(userdata);
    return -1;
}

static int32_t leave_write(void *userdata, const void *data, size_t len) {
    (void)data; (void)len;
    leave(userdata);
    return 1;
}

static void out_of_a_body_callback(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    int before = files();
    for (int i = 0; i < 4; i++) {
        leaves = true;
        if (setjmp(out) == 0) {
            tm_request_stream(tm, i % 2 ? "POST" : "GET", "/api/v1/products", i % 2 ? leave_read : NULL, NULL, -1,
                              leave_write, NULL, NULL, NULL);
            CHECK(false);
        }
    }
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_INT(files(), before);
    tm_free(tm);
}

/* ---- being inside -------------------------------------------------------------------------------- */

struct inside {
    tm_manager *tm;
    int outcome, outcome_deeper; /* of calls that are made in the callback */
};

static int32_t call_inside(void *userdata) {
    struct inside *inside = (struct inside *)userdata;
    if (inside->outcome == 0) {
        inside->outcome = get(inside->tm, "/api/v1/products");
        inside->outcome_deeper = deeper(LEVELS, soon, inside->tm);
    }
    return 0;
}

static void a_call_inside_is_no_lost_one(void) {
    demo("{'reset':true,'faults':{'route':'/auth/login','delay_before_ms':300}}");
    struct inside inside = { new_manager(NULL), 0, 0 };
    CHECK_STATUS(TM_OK, tm_set_interrupt_callback(inside.tm, call_inside, &inside, &err), err);
    CHECK_INT(soon(inside.tm), 200);
    CHECK_INT(inside.outcome, -TM_REENTRANT);
    CHECK_INT(inside.outcome_deeper, -TM_REENTRANT);
    tm_free(inside.tm);
}

/* ---- stacks of their own ------------------------------------------------------------------------- */

static ucontext_t of_main, of_fiber;
static char fiber_stack[256 * 1024];
static int fiber_outcome;
static bool suspends;
static void *fiber_manager;

static void run_fiber(void) { fiber_outcome = soon(fiber_manager); }

static void start_fiber(tm_manager *tm) {
    fiber_manager = tm;
    fiber_outcome = 0;
    REQUIRE(getcontext(&of_fiber) == 0);
    of_fiber.uc_stack.ss_sp = fiber_stack;
    of_fiber.uc_stack.ss_size = sizeof fiber_stack;
    of_fiber.uc_link = &of_main;
    makecontext(&of_fiber, run_fiber, 0);
    REQUIRE(swapcontext(&of_main, &of_fiber) == 0);
}

static int32_t suspend(void *userdata) {
    (void)userdata;
    if (suspends) {
        suspends = false;
        REQUIRE(swapcontext(&of_fiber, &of_main) == 0);
    }
    return 0;
}

/* The fiber's call waits for the API, then for the login; meanwhile its thread makes calls on its own stack. */
static void a_suspended_call_is_not_lost(void) {
    static const struct { const char *fault; int meanwhile; } waits[] = {
        { "{'faults':{'route':'/api/v1/products','delay_before_ms':300}}", 200 },
        { "{'faults':{'route':'/auth/login','delay_before_ms':300}}", -TM_REENTRANT } };
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        demo("{'reset':true}");
        tm_manager *tm = new_manager(NULL);
        CHECK_STATUS(TM_OK, tm_set_interrupt_callback(tm, suspend, NULL, &err), err);
        if (waits[i].meanwhile == 200)
            CHECK_INT(get(tm, "/api/v1/products"), 200);
        demo(waits[i].fault);
        suspends = true;
        start_fiber(tm);
        CHECK(!suspends);
        CHECK_INT(soon(tm), waits[i].meanwhile);
        CHECK_INT(deeper(LEVELS, soon, tm), waits[i].meanwhile);
        REQUIRE(swapcontext(&of_main, &of_fiber) == 0);
        CHECK_INT(fiber_outcome, 200);
        CHECK_COUNT("logins", 1);
        tm_free(tm);
    }
}

static int32_t call_in_fiber(void *userdata) {
    if (fiber_outcome == 0)
        start_fiber((tm_manager *)userdata);
    return 0;
}

static void a_fiber_inside_a_callback_is_inside(void) {
    demo("{'reset':true,'faults':{'route':'/auth/login','delay_before_ms':300}}");
    tm_manager *tm = new_manager(NULL);
    fiber_outcome = 0;
    CHECK_STATUS(TM_OK, tm_set_interrupt_callback(tm, call_in_fiber, tm, &err), err);
    CHECK_INT(soon(tm), 200);
    CHECK_INT(fiber_outcome, -TM_REENTRANT);
    tm_free(tm);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    a_lost_call_holds_up_nobody_of_its_thread();
    calls_after_it_are_logged();
    its_descriptors_are_closed_by_the_next_call();
    others_close_them_after_its_time();
    out_of_a_body_callback();
    a_call_inside_is_no_lost_one();
    a_suspended_call_is_not_lost();
    a_fiber_inside_a_callback_is_inside();
    return check_end();
}
