/* Persistent managers: equal ones share one login and its connections, which outlive the handles; unequal ones
 * share nothing; what is set on a handle stays with it. */
#include "check.h"

static tm_error *err = GARBAGE;

/* An instance lives until the process ends, so every test has a client of its own. */
static char username[32];

static void new_client(void) {
    static int number;
    char document[256];
    snprintf(username, sizeof username, "client-%d", ++number);
    snprintf(document, sizeof document, "{'reset':true,'accounts':[{'username':'%s','password':'%s'}]}",
             username, PASSWORD);
    demo(document);
}

static tm_manager *persistent(const char *options) {
    return new_manager_as(username, PASSWORD, options ? options : "{'persistent':true}");
}

static void p3_equal_ones_share_a_login(void) {
    new_client();
    tm_manager *one = persistent(NULL), *two = persistent(NULL);
    CHECK(one != two); /* each handle is its owner's */
    CHECK_INT(get(one, "/api/v1/products"), 200);
    CHECK_INT(get(two, "/api/v1/products"), 200);
    CHECK_COUNT("connections", 1);
    char *access = strdup(access_token(one));
    CHECK_STRING(access_token(two), access);
    CHECK_STATUS(TM_OK, tm_refresh(one, &err), err);
    CHECK(strcmp(access_token(two), access) != 0);
    CHECK_COUNT("logins", 1);
    CHECK_COUNT("refreshes", 1);
    free(access);
    tm_free(one);
    CHECK_INT(get(two, "/api/v1/products"), 200);
    tm_free(two);
}

/* As PHP makes and drops its objects, request after request. */
static void p3_they_outlive_their_handles(void) {
    new_client();
    for (int i = 0; i < 5; i++) {
        tm_manager *tm = persistent(NULL);
        CHECK_INT(get(tm, "/api/v1/products"), 200);
        tm_free(tm);
    }
    CHECK_COUNT("logins", 1);
    CHECK_COUNT("connections", 1);
    CHECK_COUNT("api_200", 5);
}

/* Options are compared as they are understood, not as they are written. */
static void what_is_written_differently_is_the_same(void) {
    new_client();
    tm_manager *one = persistent("{'persistent':true,'timeout_ms':5000,'refresh_before_seconds':300}");
    tm_manager *two = persistent(" { 'refresh_before_seconds' : 300.0, 'timeout_ms':5000.0, 'persistent':true } ");
    CHECK_INT(get(one, "/api/v1/products"), 200);
    CHECK_INT(get(two, "/api/v1/products"), 200);
    CHECK_COUNT("logins", 1);
    tm_free(one);
    tm_free(two);
}

static void p3_unequal_ones_share_nothing(void) {
    new_client();
    tm_manager *first = persistent(NULL);
    tm_manager *other_options = persistent("{'persistent':true,'timeout_ms':5000}");
    tm_manager *not_persistent = persistent("{'persistent':false}");
    tm_manager *default_again = persistent("{}");
    CHECK_INT(get(first, "/api/v1/products"), 200);
    CHECK_INT(get(other_options, "/api/v1/products"), 200);
    CHECK_INT(get(not_persistent, "/api/v1/products"), 200);
    CHECK_INT(get(default_again, "/api/v1/products"), 200);
    CHECK_COUNT("logins", 4);

    /* Least of all those who do not know the password. */
    tm_manager *guesser = new_manager_as(username, "guessed", "{'persistent':true}");
    CHECK_INT(get(guesser, "/api/v1/products"), -TM_LOGIN_REJECTED);
    tm_token *token = tm_peek_token(guesser, &err);
    CHECK_OK(err);
    CHECK(token == NULL);
    CHECK_INT(get(first, "/api/v1/products"), 200);
    tm_free(guesser);
    tm_free(first);
    tm_free(other_options);
    tm_free(not_persistent);
    tm_free(default_again);
}

/* Other credentials are another instance; those who stay keep theirs. */
static void p3_new_credentials_move_the_handle(void) {
    new_client();
    demo("{'accounts':[{'username':'moved','password':'of-the-moved'}]}");
    tm_manager *stays = persistent(NULL), *moves = persistent(NULL);
    CHECK_INT(get(stays, "/api/v1/products"), 200);
    CHECK_STATUS(TM_OK, tm_set_credentials(moves, "moved", "of-the-moved", &err), err);
    CHECK_INT(get(moves, "/api/v1/products"), 200);
    CHECK_COUNT("logins", 2);
    char *claims = tm_jwt_payload_json(access_token(moves), &err);
    CHECK_OK(err);
    CHECK_CONTAINS(claims, "\"moved\"");
    tm_string_free(claims);
    claims = tm_jwt_payload_json(access_token(stays), &err);
    CHECK_OK(err);
    CHECK_CONTAINS(claims, username);
    tm_string_free(claims);

    /* And whoever comes with them straight away meets it there. */
    tm_manager *joins = new_manager_as("moved", "of-the-moved", "{'persistent':true}");
    CHECK_INT(get(joins, "/api/v1/products"), 200);
    CHECK_COUNT("logins", 2);
    tm_free(stays);
    tm_free(moves);
    tm_free(joins);
}

/* ---- what stays with the handle -------------------------------------------------------------------- */

static void count_line(void *userdata, int32_t level, const char *message) {
    (void)level; (void)message;
    add((long *)userdata, 1);
}

static void log_callbacks_stay_with_their_handle(void) {
    long lines_of_one = 0, lines_of_two = 0;
    new_client();
    tm_manager *one = persistent(NULL), *two = persistent(NULL);
    CHECK_STATUS(TM_OK, tm_set_log_callback(one, count_line, &lines_of_one, 4, &err), err);
    CHECK_STATUS(TM_OK, tm_set_log_callback(two, count_line, &lines_of_two, 4, &err), err);
    CHECK_INT(get(one, "/api/v1/products"), 200);
    CHECK(lines_of_one > 0);
    CHECK_INT(lines_of_two, 0);
    tm_free(one);
    long before = lines_of_one;
    CHECK_STATUS(TM_OK, tm_refresh(two, &err), err);
    CHECK(lines_of_two > 0);
    CHECK_INT(lines_of_one, before);
    tm_free(two);
    tm_manager *three = persistent(NULL); /* starts without any */
    before = lines_of_two;
    CHECK_STATUS(TM_OK, tm_refresh(three, &err), err);
    CHECK_INT(lines_of_two, before);
    tm_free(three);
}

static int32_t stop_at_once(void *userdata) {
    add((long *)userdata, 1);
    return 1;
}

static void *call_in_the_background(void *tm) {
    CHECK_INT(get((tm_manager *)tm, "/api/v1/products"), 200);
    return NULL;
}

/* Two handles wait for one login: the one that is interrupted leaves, the other gets its token. */
static void interrupts_end_the_calls_of_their_handle(void) {
    long asked = 0;
    pthread_t patient;
    new_client();
    tm_manager *one = persistent(NULL), *two = persistent(NULL);
    CHECK_STATUS(TM_OK, tm_set_interrupt_callback(two, stop_at_once, &asked, &err), err);
    demo("{'faults':{'route':'/auth/login','delay_before_ms':3000}}");
    REQUIRE(pthread_create(&patient, NULL, call_in_the_background, one) == 0);
    WAIT_UNTIL(demo_count("login_arrivals") == 1);
    CHECK_INT(get(two, "/api/v1/products"), -TM_CANCELLED);
    CHECK_INT(asked, 1);
    pthread_join(patient, NULL);
    CHECK_COUNT("logins", 1);
    tm_free(one);
    tm_free(two);
}

static void *call_and_be_stopped(void *tm) {
    CHECK_INT(get((tm_manager *)tm, "/api/v1/products"), -TM_CANCELLED);
    return NULL;
}

static int32_t stop_when_told(void *told) { return count((long *)told) != 0; }

/* The interrupted one is in the login itself: the other takes over. */
static void a_cancelled_login_is_taken_over(void) {
    long told = 0;
    pthread_t impatient, patient;
    new_client();
    tm_manager *one = persistent(NULL), *two = persistent(NULL);
    CHECK_STATUS(TM_OK, tm_set_interrupt_callback(one, stop_when_told, &told, &err), err);
    demo("{'faults':{'route':'/auth/login','do':'hang'}}");
    REQUIRE(pthread_create(&impatient, NULL, call_and_be_stopped, one) == 0);
    WAIT_UNTIL(demo_count("login_arrivals") == 1);
    REQUIRE(pthread_create(&patient, NULL, call_in_the_background, two) == 0);
    add(&told, 1);
    pthread_join(impatient, NULL);
    pthread_join(patient, NULL);
    CHECK_COUNT("logins", 1);
    tm_free(one);
    tm_free(two);
}

/* Handles come and go in many threads while their instance stays one. */
static void *come_and_go(void *failed) {
    for (int i = 0; i < 10; i++) {
        tm_manager *tm = persistent(NULL);
        if (get(tm, "/api/v1/products") != 200)
            add((long *)failed, 1);
        tm_free(tm);
    }
    return NULL;
}

static void handles_come_and_go_in_threads(void) {
    long failed = 0;
    pthread_t threads[8];
    new_client();
    for (int i = 0; i < 8; i++)
        REQUIRE(pthread_create(&threads[i], NULL, come_and_go, &failed) == 0);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(failed, 0);
    CHECK_COUNT("logins", 1);
    CHECK_COUNT("api_200", 80);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    p3_equal_ones_share_a_login();
    p3_they_outlive_their_handles();
    what_is_written_differently_is_the_same();
    p3_unequal_ones_share_nothing();
    p3_new_credentials_move_the_handle();
    log_callbacks_stay_with_their_handle();
    interrupts_end_the_calls_of_their_handle();
    a_cancelled_login_is_taken_over();
    handles_come_and_go_in_threads();
    return check_end();
}
