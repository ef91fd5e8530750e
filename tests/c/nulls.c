/* Nonsense in every position of every function ends in an error, never in a crash. Sends nothing. */
#include "check.h"

static const char BAD_UTF8[] = "caf\xe9";
static const size_t TOO_LONG = (size_t)PTRDIFF_MAX + 1;

static tm_error *err = GARBAGE;

static void nulls_to_new(void) {
    unsetenv("TOKENMGR_HOST"); /* what a NULL host would be taken from */
    CHECK_NULL(TM_INVALID_ARGUMENT, tm_new(NULL, "u", "p", NULL, &err), err);
    CHECK_NULL(TM_INVALID_ARGUMENT, tm_new(NULL, NULL, NULL, NULL, &err), err);
    CHECK(tm_new(NULL, NULL, NULL, NULL, NULL) == NULL);

    CHECK_NULL(TM_INVALID_ARGUMENT, tm_new(BAD_UTF8, "u", "p", NULL, &err), err);
    CHECK_NULL(TM_INVALID_ARGUMENT, tm_new("http://127.0.0.1:9", BAD_UTF8, "p", NULL, &err), err);
    CHECK_NULL(TM_INVALID_ARGUMENT, tm_new("http://127.0.0.1:9", "u", BAD_UTF8, NULL, &err), err);
    CHECK_NULL(TM_INVALID_ARGUMENT, tm_new("http://127.0.0.1:9", "u", "p", BAD_UTF8, &err), err);

    static const char *const bad_hosts[] = { "", "127.0.0.1", "http://", "http:// /", "://", "/", "http://[::1" };
    for (size_t i = 0; i < sizeof bad_hosts / sizeof *bad_hosts; i++) {
        CHECK_NULL(TM_INVALID_ARGUMENT, tm_new(bad_hosts[i], "u", "p", NULL, &err), err);
    }

    /* err may be NULL when all goes well, too. */
    tm_manager *tm = tm_new("http://127.0.0.1:9", "u", "p", NULL, NULL);
    CHECK(tm != NULL);
    tm_free(tm);
}

static void nulls_to_request(tm_manager *tm) {
    CHECK_NULL(TM_INVALID_ARGUMENT, tm_request(NULL, "GET", "/", NULL, 0, NULL, &err), err);
    CHECK_NULL(TM_INVALID_ARGUMENT, tm_request(tm, NULL, "/", NULL, 0, NULL, &err), err);
    CHECK_NULL(TM_INVALID_ARGUMENT, tm_request(tm, "GET", NULL, NULL, 0, NULL, &err), err);
    CHECK_NULL(TM_INVALID_ARGUMENT, tm_request(tm, "POST", "/", NULL, 5, NULL, &err), err);
    CHECK(tm_request(NULL, NULL, NULL, NULL, 5, NULL, NULL) == NULL);

    CHECK_NULL(TM_INVALID_ARGUMENT, tm_request(tm, BAD_UTF8, "/", NULL, 0, NULL, &err), err);
    CHECK_NULL(TM_INVALID_ARGUMENT, tm_request(tm, "GET", BAD_UTF8, NULL, 0, NULL, &err), err);
    CHECK_NULL(TM_INVALID_ARGUMENT, tm_request(tm, "GET", "/", NULL, 0, BAD_UTF8, &err), err);

    CHECK_NULL(TM_INVALID_ARGUMENT, tm_request(tm, "POST", "/", "body", TOO_LONG, NULL, &err), err);
    CHECK_NULL(TM_INVALID_ARGUMENT, tm_request(tm, "POST", "/", "body", SIZE_MAX, NULL, &err), err);

    static const char *const bad_methods[] = { "", " ", "GE T", "GET\r\nX-Injected: 1", "GET/", "\x7f", "G\xc3\x89T" };
    for (size_t i = 0; i < sizeof bad_methods / sizeof *bad_methods; i++) {
        CHECK_NULL(TM_INVALID_ARGUMENT, tm_request(tm, bad_methods[i], "/", NULL, 0, NULL, &err), err);
    }

    /* Absolute, or a path that starts with one "/": "//name" would name another host. */
    static const char *const bad_urls[] = { "", "products", "//127.0.0.1/", "http://", "http://[::1/", "?a=b", ":" };
    for (size_t i = 0; i < sizeof bad_urls / sizeof *bad_urls; i++) {
        CHECK_NULL(TM_INVALID_ARGUMENT, tm_request(tm, "GET", bad_urls[i], NULL, 0, NULL, &err), err);
    }
}

static void nulls_to_responses(void) {
    CHECK_INT(tm_response_status(NULL), 0);
    CHECK(tm_response_body(NULL) == NULL);
    CHECK_INT(tm_response_body_len(NULL), 0);
    CHECK(tm_response_header(NULL, "a") == NULL);
    CHECK(tm_response_header(NULL, NULL) == NULL);
    CHECK_INT(tm_response_header_count(NULL), 0);
    CHECK(tm_response_header_name(NULL, 0) == NULL);
    CHECK(tm_response_header_name(NULL, SIZE_MAX) == NULL);
    CHECK(tm_response_header_value(NULL, 0) == NULL);
    CHECK(tm_response_header_value(NULL, SIZE_MAX) == NULL);
    CHECK(tm_response_url(NULL) == NULL);
    CHECK(tm_response_error(NULL) == NULL);
    tm_response_free(NULL);
}

static void nulls_to_tokens(tm_manager *tm) {
    char small[8] = "as was";

    CHECK_NULL(TM_INVALID_ARGUMENT, tm_get_token(NULL, &err), err);
    CHECK(tm_get_token(NULL, NULL) == NULL);
    CHECK_NULL(TM_INVALID_ARGUMENT, tm_peek_token(NULL, &err), err);
    CHECK(tm_peek_token(NULL, NULL) == NULL);
    CHECK(tm_peek_token(tm, &err) == NULL); /* nothing held is not an error */
    CHECK_OK(err);

    CHECK_INT(tm_copy_access_token(NULL, small, sizeof small, &err), 0);
    CHECK_ERROR(err, TM_INVALID_ARGUMENT);
    CHECK_INT(tm_copy_access_token(tm, NULL, 8, &err), 0);
    CHECK_ERROR(err, TM_INVALID_ARGUMENT);
    CHECK_INT(tm_copy_access_token(tm, small, TOO_LONG, &err), 0);
    CHECK_ERROR(err, TM_INVALID_ARGUMENT);
    CHECK_INT(tm_copy_access_token(NULL, NULL, 8, NULL), 0);
    CHECK_STRING(small, "as was");

    CHECK(tm_token_access(NULL) == NULL);
    CHECK(tm_token_refresh(NULL) == NULL);
    CHECK_INT(tm_token_expires_at(NULL), 0);
    CHECK_INT(tm_token_refresh_expires_at(NULL), 0);
    CHECK_INT(tm_token_seconds_left(NULL), 0);
    CHECK(!tm_token_should_refresh(NULL, 0));
    CHECK(!tm_token_should_refresh(NULL, INT64_MIN));
    tm_token_free(NULL);

    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_login(NULL, &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_refresh(NULL, &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_logout(NULL, &err), err);
    CHECK_STATUS(TM_OK, tm_logout(tm, &err), err); /* nothing held, nothing sent */
    CHECK_INT(tm_login(NULL, NULL), TM_INVALID_ARGUMENT);
    CHECK_INT(tm_refresh(NULL, NULL), TM_INVALID_ARGUMENT);
    CHECK_INT(tm_logout(NULL, NULL), TM_INVALID_ARGUMENT);

    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_reject(NULL, "t", &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_reject(tm, NULL, &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_reject(tm, BAD_UTF8, &err), err);
    CHECK_INT(tm_reject(NULL, NULL, NULL), TM_INVALID_ARGUMENT);

    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_set_tokens(NULL, "a", "r", 0, 0, &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_set_tokens(tm, NULL, "r", 0, 0, &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_set_tokens(tm, BAD_UTF8, "r", 0, 0, &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_set_tokens(tm, "a", BAD_UTF8, 0, 0, &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_set_tokens(tm, "a", "r", -1, 0, &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_set_tokens(tm, "a", "r", 0, -1, &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_set_tokens(tm, "a", "r", INT64_MIN, INT64_MIN, &err), err);
    CHECK_INT(tm_set_tokens(NULL, NULL, NULL, -1, -1, NULL), TM_INVALID_ARGUMENT);
    CHECK(tm_peek_token(tm, &err) == NULL); /* none of these left anything behind */
    CHECK_OK(err);

    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_set_credentials(NULL, "u", "p", &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_set_credentials(tm, BAD_UTF8, "p", &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_set_credentials(tm, "u", BAD_UTF8, &err), err);
    CHECK_INT(tm_set_credentials(NULL, NULL, NULL, NULL), TM_INVALID_ARGUMENT);
}

static void nulls_to_jwt(void) {
    CHECK(tm_jwt_is_expired(NULL));
    CHECK(tm_jwt_is_expired(BAD_UTF8));
    CHECK_INT(tm_jwt_seconds_left(NULL), 0);
    CHECK_INT(tm_jwt_seconds_left(BAD_UTF8), 0);
    (void)tm_jwt_should_refresh(NULL, 0);
    (void)tm_jwt_should_refresh(BAD_UTF8, INT64_MIN);
    (void)tm_jwt_should_refresh("a.b.c", INT64_MAX);

    CHECK_NULL(TM_INVALID_ARGUMENT, tm_jwt_payload_json(NULL, &err), err);
    CHECK_NULL(TM_INVALID_ARGUMENT, tm_jwt_payload_json(BAD_UTF8, &err), err);
    CHECK_NULL(TM_BAD_TOKEN, tm_jwt_payload_json("not a token", &err), err);
    CHECK(tm_jwt_payload_json("not a token", NULL) == NULL);
}

static void nulls_to_errors(void) {
    CHECK_INT(tm_error_code(NULL), TM_OK);
    CHECK(tm_error_message(NULL) == NULL);
    CHECK_INT(tm_error_http_status(NULL), 0);
    CHECK(tm_error_server_code(NULL) == NULL);
    CHECK_INT(tm_error_retry_after_ms(NULL), -1);
    CHECK(!tm_error_is_retryable(NULL));
    tm_error_free(NULL);

    /* What an error says when there was no answer. */
    CHECK(tm_get_token(NULL, &err) == NULL);
    CHECK_INT(tm_error_http_status(err), 0);
    CHECK(tm_error_server_code(err) == NULL);
    CHECK_INT(tm_error_retry_after_ms(err), -1);
    CHECK(!tm_error_is_retryable(err)); /* the same call would fail the same way */
    CHECK_ERROR(err, TM_INVALID_ARGUMENT);
}

static void every_status_has_a_name(void) {
    static const char *const names[] = {
        "TM_OK", "TM_INVALID_ARGUMENT", "TM_INVALID_OPTIONS", "TM_URL_NOT_ALLOWED", "TM_NETWORK", "TM_TIMEOUT",
        "TM_TLS", "TM_LOGIN_REJECTED", "TM_FORBIDDEN", "TM_RATE_LIMITED", "TM_SERVER_ERROR", "TM_BAD_RESPONSE",
        "TM_UNAUTHORIZED", "TM_HTTP_ERROR", "TM_STORE", "TM_LOCK_TIMEOUT", "TM_LOGIN_SUSPENDED", "TM_REENTRANT",
        "TM_BAD_TOKEN", "TM_RESPONSE_TOO_LARGE", "TM_PANIC", "TM_CANCELLED" };
    const int32_t known = sizeof names / sizeof *names;

    CHECK_INT(known, TM_CANCELLED + 1);
    for (int32_t i = 0; i < known; i++)
        CHECK_STRING(tm_status_name(i), names[i]);
    for (int32_t i = -1000; i <= 1000; i++)
        CHECK(tm_status_name(i) != NULL && strlen(tm_status_name(i)) > 0);
    CHECK(tm_status_name(INT32_MIN) != NULL);
    CHECK(tm_status_name(INT32_MAX) != NULL);
    CHECK(strcmp(tm_status_name(-1), "TM_OK") != 0);
}

static int32_t never_asked(void *userdata) { (void)userdata; return 0; }
static void never_told(void *userdata, int32_t level, const char *message) {
    (void)userdata; (void)level; (void)message;
}
static int32_t load(void *userdata, const char *key, tm_sink *out) {
    (void)userdata; (void)key; (void)out;
    return 1;
}
static int32_t save(void *userdata, const char *key, const void *data, size_t len,
                    const void *expected, size_t expected_len, int64_t ttl_seconds) {
    (void)userdata; (void)key; (void)data; (void)len; (void)expected; (void)expected_len; (void)ttl_seconds;
    return 1;
}
static int32_t lock(void *userdata, const char *key, int64_t wait_ms) {
    (void)userdata; (void)key; (void)wait_ms;
    return 1;
}
static int32_t unlock(void *userdata, const char *key) {
    (void)userdata; (void)key;
    return 1;
}

static void nulls_to_callbacks(tm_manager *tm) {
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_set_log_callback(NULL, never_told, NULL, 4, &err), err);
    CHECK_STATUS(TM_OK, tm_set_log_callback(tm, never_told, NULL, 4, &err), err);
    CHECK_STATUS(TM_OK, tm_set_log_callback(tm, NULL, NULL, 4, &err), err); /* no more lines */
    CHECK_INT(tm_set_log_callback(NULL, NULL, NULL, 0, NULL), TM_INVALID_ARGUMENT);

    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_set_interrupt_callback(NULL, never_asked, NULL, &err), err);
    CHECK_STATUS(TM_OK, tm_set_interrupt_callback(tm, never_asked, NULL, &err), err);
    CHECK_STATUS(TM_OK, tm_set_interrupt_callback(tm, NULL, NULL, &err), err);
    CHECK_INT(tm_set_interrupt_callback(NULL, NULL, NULL, NULL), TM_INVALID_ARGUMENT);

    /* load and save are the store; lock and unlock come both or not at all. */
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_check_store(NULL, &err), err);
    CHECK_INT(tm_check_store(NULL, NULL), TM_INVALID_ARGUMENT);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_set_store(NULL, load, save, lock, unlock, NULL, &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_set_store(tm, NULL, save, lock, unlock, NULL, &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_set_store(tm, load, NULL, lock, unlock, NULL, &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_set_store(tm, load, save, NULL, unlock, NULL, &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_set_store(tm, load, save, lock, NULL, NULL, &err), err);
    CHECK_INT(tm_set_store(NULL, NULL, NULL, NULL, NULL, NULL, NULL), TM_INVALID_ARGUMENT);
    tm_sink_put(NULL, NULL, 0);
    tm_sink_put(NULL, "x", SIZE_MAX);
}

static void the_rest(tm_manager *tm) {
    CHECK_NULL(TM_INVALID_ARGUMENT, tm_check(NULL, "/", &err), err);
    CHECK(tm_check(NULL, NULL, NULL) == NULL);
    CHECK_NULL(TM_INVALID_ARGUMENT, tm_check(tm, BAD_UTF8, &err), err);
    CHECK_NULL(TM_INVALID_ARGUMENT, tm_check(tm, "products", &err), err);
    CHECK_NULL(TM_URL_NOT_ALLOWED, tm_check(tm, "http://127.0.0.1:10/", &err), err);

    CHECK_NULL(TM_INVALID_ARGUMENT, tm_stats_json(NULL, &err), err);
    CHECK(tm_stats_json(NULL, NULL) == NULL);
    char *stats = tm_stats_json(tm, &err);
    CHECK_OK(err);
    CHECK(stats != NULL && stats[0] == '{');
    tm_string_free(stats);
    tm_string_free(NULL);

    CHECK(tm_version() != NULL && tm_version()[0] != '\0');
    CHECK_INT(tm_abi_version(), TM_ABI_VERSION);

    char *one = tm_generate_key(&err), *other = tm_generate_key(NULL);
    CHECK_OK(err);
    CHECK(one != NULL && other != NULL && strcmp(one, other) != 0);
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    CHECK(one != NULL && strspn(one, base64) == strlen(one));
    tm_string_free(one);
    tm_string_free(other);
    tm_free(NULL);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    nulls_to_new();
    tm_manager *tm = tm_new("http://127.0.0.1:9", "u", "p", NULL, &err);
    CHECK_OK(err);
    REQUIRE(tm != NULL);
    nulls_to_request(tm);
    nulls_to_responses();
    nulls_to_tokens(tm);
    nulls_to_jwt();
    nulls_to_errors();
    every_status_has_a_name();
    nulls_to_callbacks(tm);
    the_rest(tm);
    tm_free(tm);
    return check_end();
}
