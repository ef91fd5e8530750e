/* Callbacks: log lines by level, the interrupt that ends a call, and calling the library from inside them. */
#include "check.h"

static tm_error *err = GARBAGE;

/* ---- log ------------------------------------------------------------------------------------------ */

struct lines {
    long by_level[6]; /* 0 and 5: what should not be */
    long total;
};

static void count_line(void *userdata, int32_t level, const char *message) {
    struct lines *lines = (struct lines *)userdata;
    CHECK(message != NULL && message[0] != '\0');
    add(&lines->by_level[level < 1 ? 0 : level > 4 ? 5 : level], 1);
    add(&lines->total, 1);
}

/* A little of everything that could be worth a line: a login, a refresh, a broken connection, a logout. */
static void make_some_noise(tm_manager *tm) {
    demo("{'reset':true}");
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    demo("{'revoke':{'what':'access'}}");
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    demo("{'faults':{'route':'/api/v1/products','do':'reset','times':null}}");
    CHECK_INT(get(tm, "/api/v1/products"), -TM_NETWORK);
    CHECK_STATUS(TM_OK, tm_logout(tm, &err), err);
}

static void lines_come_up_to_the_level(void) {
    for (int32_t max_level = 1; max_level <= 4; max_level++) {
        struct lines lines;
        memset(&lines, 0, sizeof lines);
        tm_manager *tm = new_manager(NULL);
        CHECK_STATUS(TM_OK, tm_set_log_callback(tm, count_line, &lines, max_level, &err), err);
        make_some_noise(tm);
        CHECK_INT(lines.by_level[0], 0);
        CHECK_INT(lines.by_level[5], 0);
        for (int level = max_level + 1; level <= 4; level++)
            CHECK_INT(lines.by_level[level], 0);
        if (max_level == 4)
            CHECK(lines.total > 0);
        tm_free(tm);
    }
}

static void a_replaced_callback_is_not_called_again(void) {
    struct lines first, second;
    memset(&first, 0, sizeof first);
    memset(&second, 0, sizeof second);
    tm_manager *tm = new_manager(NULL);
    CHECK_STATUS(TM_OK, tm_set_log_callback(tm, count_line, &first, 4, &err), err);
    CHECK_STATUS(TM_OK, tm_set_log_callback(tm, count_line, &second, 4, &err), err);
    make_some_noise(tm);
    CHECK_INT(first.total, 0);
    CHECK(second.total > 0);
    CHECK_STATUS(TM_OK, tm_set_log_callback(tm, NULL, NULL, 4, &err), err);
    long before = second.total;
    make_some_noise(tm);
    CHECK_INT(second.total, before);
    tm_free(tm);
}

/* ---- interrupt ------------------------------------------------------------------------------------ */

struct patience {
    long asked;
    long limit; /* the question that is answered with "stop" */
};

static int32_t stop_at_the_limit(void *userdata) {
    struct patience *patience = (struct patience *)userdata;
    return add(&patience->asked, 1) >= count(&patience->limit);
}

/* Far below its timeout of 30 s, and whatever it was waiting for. */
static void an_interrupt_ends_the_call(void) {
    static const char *const faults[] = {
        "{'reset':true,'faults':{'route':'/auth/login','do':'hang','times':null}}",
        "{'reset':true,'faults':{'route':'/api/v1/blob','do':'hang','times':null}}",
        "{'reset':true,'faults':{'route':'/api/v1/blob','do':'trickle_head','every_ms':200,'times':null}}",
        "{'reset':true,'faults':{'route':'/api/v1/blob','do':'trickle_body','every_ms':1,'times':null}}" };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct patience patience = { 0, 3 };
        demo(faults[i]);
        tm_manager *tm = new_manager(NULL);
        CHECK_STATUS(TM_OK, tm_set_interrupt_callback(tm, stop_at_the_limit, &patience, &err), err);
        int64_t began = now_ms();
        CHECK_NULL(TM_CANCELLED, call(tm, "GET", "/api/v1/blob?bytes=50000", NULL, &err), err);
        CHECK(now_ms() - began < 10000);
        CHECK_INT(patience.asked, 3); /* once it has said so, it is not asked again */

        demo("{'clear_faults':true}");
        __atomic_store_n(&patience.limit, 1000000, __ATOMIC_SEQ_CST);
        CHECK_INT(get(tm, "/api/v1/products"), 200); /* it was that call's end, not the manager's */
        tm_free(tm);
    }
}

static void a_call_that_need_not_wait_is_not_asked(void) {
    struct patience patience = { 0, 1 };
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_STATUS(TM_OK, tm_set_interrupt_callback(tm, stop_at_the_limit, &patience, &err), err);
    for (int i = 0; i < 1000; i++)
        CHECK(access_token(tm)[0] != '\0');
    tm_token_free(tm_peek_token(tm, &err));
    CHECK_OK(err);
    CHECK_INT(patience.asked, 0);
    tm_free(tm);
}

static int32_t stop_once_it_arrived(void *counter) { return demo_count((const char *)counter) > 0; }

/* The answer to a refresh that was cancelled is lost, so its token is spent: the next call logs in. */
static void a_cancelled_refresh_is_not_repeated(void) {
    static char counter[] = "refresh_arrivals";
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    demo("{'revoke':{'what':'access'},'faults':{'route':'/auth/refresh','do':'hang'}}");
    CHECK_STATUS(TM_OK, tm_set_interrupt_callback(tm, stop_once_it_arrived, counter, &err), err);
    CHECK_INT(get(tm, "/api/v1/products"), -TM_CANCELLED);
    CHECK_STATUS(TM_OK, tm_set_interrupt_callback(tm, NULL, NULL, &err), err);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_COUNT("refresh_arrivals", 1);
    CHECK_COUNT("logins", 2);
    tm_free(tm);
}

/* ---- calls from inside ---------------------------------------------------------------------------- */

struct inside {
    tm_manager *outer, *other;
    bool busy; /* the inner calls ask and log as well */
    long visits, reentrant;
    int32_t (*then)(void); /* what an interrupt answers */
};

static int32_t carry_on(void) { return 0; }
static int32_t stop(void) { return 1; }

/* Another manager is always free to be used; this one where that need not wait for this very thread. */
static void use_both(struct inside *inside) {
    if (inside->busy)
        return;
    inside->busy = true;
    inside->visits++;
    CHECK_INT(get(inside->other, "/api/v1/categories"), 200);

    tm_token_free(tm_peek_token(inside->outer, NULL));
    tm_string_free(tm_stats_json(inside->outer, NULL));
    tm_token *token = tm_get_token(inside->outer, NULL);
    tm_error *why = GARBAGE;
    if (token == NULL)
        token = tm_get_token(inside->outer, &why);
    if (token == NULL) {
        CHECK_STRING(tm_status_name(tm_error_code(why)), "TM_REENTRANT");
        inside->reentrant++;
        tm_error_free(why);
    }
    tm_token_free(token);
    inside->busy = false;
}

static int32_t ask_and_use_both(void *userdata) {
    struct inside *inside = (struct inside *)userdata;
    use_both(inside);
    return inside->then();
}

static void log_and_use_both(void *userdata, int32_t level, const char *message) {
    (void)level; (void)message;
    use_both((struct inside *)userdata);
}

static void an_interrupt_may_call(void) {
    struct inside inside = { NULL, NULL, false, 0, 0, stop };
    demo("{'reset':true}");
    inside.other = new_manager(NULL);
    CHECK_INT(get(inside.other, "/api/v1/categories"), 200);

    /* While this thread logs in, there is no token and only itself to wait for. */
    inside.outer = new_manager(NULL);
    CHECK_STATUS(TM_OK, tm_set_interrupt_callback(inside.outer, ask_and_use_both, &inside, &err), err);
    demo("{'faults':{'route':'/auth/login','do':'hang','times':null}}");
    CHECK_INT(get(inside.outer, "/api/v1/products"), -TM_CANCELLED);
    CHECK(inside.visits > 0);
    CHECK_INT(inside.reentrant, inside.visits);
    demo("{'clear_faults':true}");

    /* While it waits for an answer of the API, there is one. */
    inside.then = carry_on;
    CHECK_INT(get(inside.outer, "/api/v1/products"), 200);
    inside.then = stop;
    inside.visits = inside.reentrant = 0;
    demo("{'faults':{'route':'/api/v1/products','do':'hang','times':null}}");
    CHECK_INT(get(inside.outer, "/api/v1/products"), -TM_CANCELLED);
    CHECK(inside.visits > 0);
    CHECK_INT(inside.reentrant, 0);
    demo("{'clear_faults':true}");
    CHECK_INT(get(inside.outer, "/api/v1/products"), 200);
    tm_free(inside.outer);
    tm_free(inside.other);
}

static void a_log_callback_may_call(void) {
    struct inside inside = { NULL, NULL, false, 0, 0, carry_on };
    demo("{'reset':true}");
    inside.other = new_manager(NULL);
    inside.outer = new_manager(NULL);
    CHECK_STATUS(TM_OK, tm_set_log_callback(inside.outer, log_and_use_both, &inside, 4, &err), err);
    CHECK_INT(get(inside.outer, "/api/v1/products"), 200);
    demo("{'revoke':{'what':'access'}}");
    CHECK_INT(get(inside.outer, "/api/v1/products"), 200);
    CHECK(inside.visits > 0);
    CHECK_COUNT("reuse", 0);
    tm_free(inside.outer);
    tm_free(inside.other);
}

/* A callback that logs in at every line, each of which logs lines of its own. */
struct logger {
    tm_manager *tm, *other;
    long visits, depth, deepest, of_other;
};

static void log_and_log_in(void *userdata, int32_t level, const char *message) {
    struct logger *logger = (struct logger *)userdata;
    tm_error *why = NULL;
    (void)level; (void)message;
    logger->visits++;
    if (++logger->depth > logger->deepest)
        logger->deepest = logger->depth;
    if (logger->depth < 3) { /* it never is more than 1, but a failure has to end, too */
        tm_status status = tm_login(logger->tm, &why);
        CHECK(status == TM_OK || status == TM_REENTRANT);
        tm_error_free(why);
        CHECK_INT(get(logger->other, "/api/v1/categories"), 200);
    }
    logger->depth--;
}

static void count_of_other(void *userdata, int32_t level, const char *message) {
    (void)level; (void)message;
    ((struct logger *)userdata)->of_other++;
}

static void lines_of_calls_that_the_callback_makes_are_left_out(void) {
    struct logger logger;
    memset(&logger, 0, sizeof logger);
    demo("{'reset':true}");
    logger.tm = new_manager(NULL);
    logger.other = new_manager(NULL);
    CHECK_STATUS(TM_OK, tm_set_log_callback(logger.tm, log_and_log_in, &logger, 4, &err), err);
    CHECK_STATUS(TM_OK, tm_set_log_callback(logger.other, count_of_other, &logger, 4, &err), err);
    CHECK_INT(get(logger.tm, "/api/v1/products"), 200);
    CHECK(logger.visits > 0);
    CHECK_INT(logger.deepest, 1);
    CHECK(logger.of_other > 0); /* another manager's are not */
    /* Those of the next call from outside are there again. */
    long before = logger.visits;
    CHECK_INT(get(logger.tm, "/api/v1/products"), 200);
    CHECK(logger.visits > before);
    CHECK_INT(logger.deepest, 1);
    tm_free(logger.tm);
    tm_free(logger.other);
}

/* A whole call on the same manager, while another of this thread waits for its answer. */
static int32_t call_the_same(void *userdata) {
    struct inside *inside = (struct inside *)userdata;
    if (inside->busy)
        return 0;
    inside->busy = true;
    inside->visits++;
    CHECK_INT(get(inside->outer, "/api/v1/categories"), 200);
    inside->busy = false;
    return inside->visits >= 3;
}

static void calls_nest(void) {
    struct inside inside = { NULL, NULL, false, 0, 0, NULL };
    demo("{'reset':true}");
    inside.outer = new_manager(NULL);
    CHECK_INT(get(inside.outer, "/api/v1/products"), 200);
    CHECK_STATUS(TM_OK, tm_set_interrupt_callback(inside.outer, call_the_same, &inside, &err), err);
    demo("{'faults':{'route':'/api/v1/products','do':'hang'}}");
    CHECK_INT(get(inside.outer, "/api/v1/products"), -TM_CANCELLED);
    CHECK_INT(inside.visits, 3);
    tm_free(inside.outer);
}

/* What would wait for the login that this thread is in says so instead of hanging. */
static int32_t do_what_would_wait(void *userdata) {
    struct inside *inside = (struct inside *)userdata;
    tm_error *why = GARBAGE;
    char buffer[16];
    if (inside->busy)
        return 1;
    inside->busy = true;
    inside->visits++;
    CHECK_STATUS(TM_REENTRANT, tm_login(inside->outer, &why), why);
    CHECK_STATUS(TM_REENTRANT, tm_refresh(inside->outer, &why), why);
    CHECK_STATUS(TM_REENTRANT, tm_logout(inside->outer, &why), why);
    CHECK_NULL(TM_REENTRANT, tm_get_token(inside->outer, &why), why);
    CHECK_NULL(TM_REENTRANT, call(inside->outer, "GET", "/api/v1/products", NULL, &why), why);
    CHECK_INT(tm_copy_access_token(inside->outer, buffer, sizeof buffer, &why), 0);
    CHECK_ERROR(why, TM_REENTRANT);
    return 1;
}

static void what_would_wait_for_itself_is_refused(void) {
    struct inside inside = { NULL, NULL, false, 0, 0, NULL };
    demo("{'reset':true,'faults':{'route':'/auth/login','do':'hang','times':null}}");
    inside.outer = new_manager(NULL);
    CHECK_STATUS(TM_OK, tm_set_interrupt_callback(inside.outer, do_what_would_wait, &inside, &err), err);
    CHECK_INT(get(inside.outer, "/api/v1/products"), -TM_CANCELLED);
    CHECK_INT(inside.visits, 1);
    demo("{'clear_faults':true}");
    CHECK_STATUS(TM_OK, tm_set_interrupt_callback(inside.outer, NULL, NULL, &err), err);
    CHECK_INT(get(inside.outer, "/api/v1/products"), 200);
    tm_free(inside.outer);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    lines_come_up_to_the_level();
    a_replaced_callback_is_not_called_again();
    an_interrupt_ends_the_call();
    a_call_that_need_not_wait_is_not_asked();
    a_cancelled_refresh_is_not_repeated();
    an_interrupt_may_call();
    a_log_callback_may_call();
    lines_of_calls_that_the_callback_makes_are_left_out();
    calls_nest();
    what_would_wait_for_itself_is_refused();
    return check_end();
}
