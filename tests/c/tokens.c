/* Tokens: getting, copying, placing, rejecting and dropping them; changing credentials. */
#include "check.h"

static tm_error *err = GARBAGE;

static const int64_t HOUR = 3600, WEEK = 7 * 24 * 3600;

static tm_token *token_of(tm_manager *tm) {
    tm_token *token = tm_get_token(tm, &err);
    CHECK_OK(err);
    REQUIRE(token != NULL);
    return token;
}

/* What is held; NULL if nothing. */
static tm_token *peek(tm_manager *tm) {
    tm_token *token = tm_peek_token(tm, &err);
    CHECK_OK(err);
    return token;
}

static void a_token_says_what_the_server_said(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    CHECK(peek(tm) == NULL);
    CHECK_COUNT("connections", 0);

    tm_token *token = token_of(tm);
    int64_t now = (int64_t)time(NULL);
    CHECK(tm_token_access(token) != NULL && strlen(tm_token_access(token)) > 100);
    CHECK(tm_token_refresh(token) != NULL && strlen(tm_token_refresh(token)) > 10);
    CHECK_BETWEEN(tm_token_expires_at(token), now + HOUR - 60, now + HOUR + 1);
    CHECK_BETWEEN(tm_token_refresh_expires_at(token), now + WEEK - 60, now + WEEK + 1);
    CHECK_BETWEEN(tm_token_seconds_left(token), HOUR - 60, HOUR);
    CHECK(!tm_token_should_refresh(token, 0));
    CHECK(!tm_token_should_refresh(token, 300));
    CHECK(tm_token_should_refresh(token, HOUR + 1));
    CHECK(tm_token_should_refresh(token, INT64_MAX));
    (void)tm_token_should_refresh(token, INT64_MIN);

    tm_token *again = token_of(tm), *peeked = peek(tm);
    CHECK_STRING(tm_token_access(again), tm_token_access(token));
    REQUIRE(peeked != NULL);
    CHECK_STRING(tm_token_access(peeked), tm_token_access(token));
    CHECK_STRING(tm_token_refresh(peeked), tm_token_refresh(token));
    CHECK_COUNT("requests_h1", 1);
    tm_token_free(again);
    tm_token_free(peeked);
    tm_token_free(token);
    tm_free(tm);
}

static void times_are_by_this_machines_clock(void) {
    demo("{'reset':true,'clock_skew_ms':-7200000}");
    tm_manager *tm = new_manager(NULL);
    tm_token *token = token_of(tm);
    int64_t now = (int64_t)time(NULL);
    CHECK_BETWEEN(tm_token_expires_at(token), now + HOUR - 60, now + HOUR + 1);
    CHECK_BETWEEN(tm_token_seconds_left(token), HOUR - 60, HOUR);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_COUNT("logins", 1);
    tm_token_free(token);
    tm_free(tm);
}

static void unknown_times_are_zero(void) {
    demo("{'reset':true,'omit_expiries':true,'opaque_access_tokens':true,'omit_refresh_token_on_login':true}");
    tm_manager *tm = new_manager(NULL);
    tm_token *token = token_of(tm);
    CHECK(tm_token_refresh(token) == NULL);
    CHECK_INT(tm_token_expires_at(token), 0);
    CHECK_INT(tm_token_refresh_expires_at(token), 0);
    CHECK_INT(tm_token_seconds_left(token), 0);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_COUNT("logins", 1); /* unknown is not expired */
    tm_token_free(token);
    tm_free(tm);
}

static void an_answer_without_a_refresh_token_keeps_the_old_one(void) {
    demo("{'reset':true,'omit_refresh_token_on_refresh':true}");
    tm_manager *tm = new_manager(NULL);
    tm_token *first = token_of(tm);
    for (int i = 0; i < 3; i++)
        CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err);
    tm_token *last = token_of(tm);
    CHECK_STRING(tm_token_refresh(last), tm_token_refresh(first));
    CHECK(strcmp(tm_token_access(last), tm_token_access(first)) != 0);
    CHECK_COUNT("refreshes", 3);
    CHECK_COUNT("logins", 1);
    tm_token_free(first);
    tm_token_free(last);
    tm_free(tm);
}

static size_t hashes(const char *buffer, size_t size) {
    size_t n = 0;
    while (n < size && buffer[n] == '#') n++;
    return n;
}

static void copies_only_what_fits(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    size_t len = tm_copy_access_token(tm, NULL, 0, &err); /* asks for the length; logs in for it */
    CHECK_OK(err);
    CHECK(len > 100);
    tm_token *token = token_of(tm);
    CHECK_INT(strlen(tm_token_access(token)), len);

    char *buffer = (char *)malloc(len + 16);
    REQUIRE(buffer != NULL);
    const size_t too_small[] = { 1, 2, len / 2, len - 1, len };
    for (size_t i = 0; i < sizeof too_small / sizeof *too_small; i++) {
        memset(buffer, '#', len + 16);
        CHECK_INT(tm_copy_access_token(tm, buffer, too_small[i], &err), len);
        CHECK_OK(err);
        CHECK_INT(hashes(buffer, len + 16), len + 16);
    }

    memset(buffer, '#', len + 16);
    CHECK_INT(tm_copy_access_token(tm, buffer, len + 1, &err), len);
    CHECK_OK(err);
    CHECK_STRING(buffer, tm_token_access(token));
    CHECK(buffer[len + 1] == '#');
    CHECK_INT(tm_copy_access_token(tm, buffer, len + 16, NULL), len);
    CHECK_STRING(buffer, tm_token_access(token));
    CHECK_COUNT("requests_h1", 1);
    tm_free(tm);

    tm_manager *locked_out = new_manager_as(USERNAME, "wrong", NULL);
    CHECK_INT(tm_copy_access_token(locked_out, buffer, len + 16, &err), 0);
    CHECK_ERROR(err, TM_LOGIN_REJECTED);
    CHECK_STRING(buffer, tm_token_access(token)); /* as it was */
    tm_free(locked_out);
    tm_token_free(token);
    free(buffer);
}

static void snapshots_never_change(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    tm_token *token = token_of(tm);
    char *access = strdup(tm_token_access(token)), *refresh = strdup(tm_token_refresh(token));
    const char *address = tm_token_access(token);
    int64_t expires_at = tm_token_expires_at(token);

    CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err);
    tm_token *newer = token_of(tm);
    CHECK(strcmp(tm_token_access(newer), access) != 0);
    CHECK(strcmp(tm_token_refresh(newer), refresh) != 0);
    CHECK_STATUS(TM_OK, tm_logout(tm, &err), err);
    tm_free(tm); /* tokens outlive their manager */

    CHECK(tm_token_access(token) == address);
    CHECK_STRING(tm_token_access(token), access);
    CHECK_STRING(tm_token_refresh(token), refresh);
    CHECK_INT(tm_token_expires_at(token), expires_at);
    CHECK_COUNT("refreshes", 1);
    CHECK_COUNT("reuse", 0);
    tm_token_free(newer);
    tm_token_free(token);
    free(access);
    free(refresh);
}

static void login_and_refresh_do_what_they_say(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err); /* nothing to refresh: logs in */
    CHECK_COUNT("logins", 1);
    CHECK_COUNT("refresh_arrivals", 0);
    CHECK_STATUS(TM_OK, tm_login(tm, &err), err); /* whatever is held */
    CHECK_COUNT("logins", 2);
    CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err);
    CHECK_COUNT("refreshes", 1);
    demo("{'revoke':{'what':'refresh'}}");
    CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err); /* refused: logs in */
    CHECK_COUNT("refreshes_refused", 1);
    CHECK_COUNT("logins", 3);
    CHECK_COUNT("max_arrivals_of_one_refresh_token", 1);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    tm_free(tm);
}

/* A pair from elsewhere serves as if it had been fetched here. */
static void placed_tokens_serve(void) {
    demo("{'reset':true}");
    tm_manager *source = new_manager(NULL);
    tm_token *pair = token_of(source);
    tm_manager *tm = new_manager_as(USERNAME, "wrong", NULL);

    CHECK_STATUS(TM_OK, tm_set_tokens(tm, tm_token_access(pair), NULL, 0, 0, &err), err);
    tm_token *placed = peek(tm);
    REQUIRE(placed != NULL);
    CHECK_STRING(tm_token_access(placed), tm_token_access(pair));
    CHECK(tm_token_refresh(placed) == NULL);
    tm_token_free(placed);
    CHECK_INT(get(tm, "/api/v1/products"), 200);

    int64_t now = (int64_t)time(NULL);
    const char *access = tm_token_access(pair), *refresh = tm_token_refresh(pair);
    CHECK_STATUS(TM_OK, tm_set_tokens(tm, access, refresh, now + 1000, now + 2000, &err), err);
    placed = peek(tm);
    CHECK_STRING(tm_token_refresh(placed), tm_token_refresh(pair));
    CHECK_INT(tm_token_expires_at(placed), now + 1000);
    CHECK_INT(tm_token_refresh_expires_at(placed), now + 2000);
    CHECK_BETWEEN(tm_token_seconds_left(placed), 900, 1000);
    tm_token_free(placed);
    CHECK_COUNT("login_arrivals", 1);
    CHECK_COUNT("refresh_arrivals", 0);

    /* One that has run out is refreshed before it is used. */
    CHECK_STATUS(TM_OK, tm_set_tokens(tm, access, refresh, 1, now + 2000, &err), err);
    tm_token *fresh = token_of(tm);
    CHECK(strcmp(tm_token_access(fresh), tm_token_access(pair)) != 0);
    CHECK_COUNT("login_arrivals", 1);
    CHECK_COUNT("refreshes", 1);
    CHECK_COUNT("reuse", 0);
    tm_token_free(fresh);
    tm_token_free(pair);
    tm_free(source);
    tm_free(tm);
}

/* However the clocks tick meanwhile. */
static void a_placed_time_is_told_again(void) {
    tm_manager *tm = new_manager(NULL);
    int64_t in_an_hour = (int64_t)time(NULL) + HOUR;
    int others = 0;
    for (int i = 0; i < (brief ? 100 : 20000); i++) {
        CHECK_STATUS(TM_OK, tm_set_tokens(tm, "opaque", NULL, in_an_hour, 0, &err), err);
        tm_token *placed = peek(tm);
        others += tm_token_expires_at(placed) != in_an_hour;
        tm_token_free(placed);
    }
    CHECK_INT(others, 0);
    tm_free(tm);
}

static void without_a_password_tokens_are_all_there_is(void) {
    demo("{'reset':true}");
    unsetenv("TOKENMGR_PASSWORD");
    unsetenv("TOKENMGR_PASSWORD_FILE");
    tm_manager *tm = new_manager_as(USERNAME, NULL, NULL);
    CHECK(tm_get_token(tm, &err) == NULL);
    CHECK(strcasestr(tm_error_message(err), "password") != NULL);
    CHECK_ERROR(err, TM_LOGIN_REJECTED);
    CHECK_COUNT("connections", 0);

    tm_manager *source = new_manager(NULL);
    tm_token *pair = token_of(source);
    CHECK_STATUS(TM_OK, tm_set_tokens(tm, tm_token_access(pair), tm_token_refresh(pair), 0, 0, &err), err);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_COUNT("logins", 1);
    tm_token_free(pair);
    tm_free(source);
    tm_free(tm);
}

static void only_the_current_token_can_be_rejected(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    tm_token *first = token_of(tm);
    CHECK_STATUS(TM_OK, tm_reject(tm, tm_token_access(first), &err), err);
    tm_token *second = token_of(tm);
    CHECK(strcmp(tm_token_access(second), tm_token_access(first)) != 0);
    CHECK_COUNT("refreshes", 1);

    CHECK_STATUS(TM_OK, tm_reject(tm, tm_token_access(first), &err), err); /* an old one */
    CHECK_STATUS(TM_OK, tm_reject(tm, "no token of anyone's", &err), err);
    CHECK_STRING(access_token(tm), tm_token_access(second));
    CHECK_COUNT("refreshes", 1);
    CHECK_COUNT("logins", 1);
    tm_token_free(first);
    tm_token_free(second);
    tm_free(tm);
}

static void a_401_is_recovered_from(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    demo("{'revoke':{'what':'access'}}");
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_COUNT("refreshes", 1);
    CHECK_COUNT("logins", 1);
    demo("{'revoke':{'what':'all'}}");
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_COUNT("logins", 2);
    CHECK_COUNT("api_401", 4); /* each new token is sent twice before it is given up */
    CHECK_COUNT("max_arrivals_of_one_refresh_token", 1);
    tm_free(tm);
}

static void logout_revokes_and_forgets(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    CHECK_STATUS(TM_OK, tm_logout(tm, &err), err); /* nothing held, nothing sent */
    CHECK_COUNT("connections", 0);

    tm_token *token = token_of(tm);
    CHECK_STATUS(TM_OK, tm_logout(tm, &err), err);
    CHECK(peek(tm) == NULL);
    CHECK_COUNT("logouts", 1);
    CHECK_STATUS(TM_OK, tm_logout(tm, &err), err);
    CHECK_COUNT("logout_arrivals", 1);

    CHECK_INT(get(tm, "/api/v1/products"), 200); /* the next call logs in */
    CHECK_COUNT("logins", 2);
    CHECK_COUNT("refresh_arrivals", 0);
    tm_token_free(token);

    /* Whatever the server answers, the tokens are gone. */
    static const char *const faults[] = {
        "{'faults':{'route':'/auth/logout','status':500,'times':null}}",
        "{'clear_faults':true,'faults':{'route':'/auth/logout','do':'reset','times':null}}",
        "{'clear_faults':true,'faults':{'route':'/auth/logout','do':'html','times':null}}" };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        tm_token_free(token_of(tm));
        demo(faults[i]);
        (void)tm_logout(tm, NULL);
        CHECK(peek(tm) == NULL);
    }
    tm_free(tm);
}

static void credentials_can_be_changed(void) {
    demo("{'reset':true,'accounts':[{'username':'second','password':'of-the-second'}]}");
    tm_manager *tm = new_manager(NULL);
    tm_token *token = token_of(tm);

    CHECK_STATUS(TM_OK, tm_set_credentials(tm, NULL, "another", &err), err); /* the same name keeps the tokens */
    tm_token *kept = peek(tm);
    CHECK_STRING(tm_token_access(kept), tm_token_access(token));
    tm_token_free(kept);

    CHECK_STATUS(TM_OK, tm_set_credentials(tm, "second", "of-the-second", &err), err); /* another drops them */
    CHECK(peek(tm) == NULL);
    tm_token *seconds = token_of(tm);
    char *claims = tm_jwt_payload_json(tm_token_access(seconds), &err);
    CHECK_OK(err);
    CHECK_CONTAINS(claims, "second");
    CHECK_COUNT("logins", 2);
    tm_string_free(claims);
    tm_token_free(seconds);
    tm_token_free(token);
    tm_free(tm);
}

static void right_credentials_lift_a_suspension(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager_as(USERNAME, "wrong", NULL);
    CHECK_STATUS(TM_LOGIN_REJECTED, tm_login(tm, &err), err);
    CHECK_STATUS(TM_LOGIN_SUSPENDED, tm_login(tm, &err), err);
    CHECK_STATUS(TM_OK, tm_set_credentials(tm, NULL, PASSWORD, &err), err);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_COUNT("login_arrivals", 2);
    tm_free(tm);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    a_token_says_what_the_server_said();
    times_are_by_this_machines_clock();
    unknown_times_are_zero();
    an_answer_without_a_refresh_token_keeps_the_old_one();
    copies_only_what_fits();
    snapshots_never_change();
    login_and_refresh_do_what_they_say();
    placed_tokens_serve();
    a_placed_time_is_told_again();
    without_a_password_tokens_are_all_there_is();
    only_the_current_token_can_be_rejected();
    a_401_is_recovered_from();
    logout_revokes_and_forgets();
    credentials_can_be_changed();
    right_credentials_lift_a_suspension();
    return check_end();
}
