/* Every way in which a server or a network can fail ends in the status that is meant for it, soon, in bounded
 * memory, and tells no secret: not in its message, not in a log line, not in the figures. */
#include "check.h"

#include <sys/resource.h>

static tm_error *err = GARBAGE;

/* ---- secrets: everything that the library says goes through `look` -------------------------------- */

static const char *const WRONG_PASSWORD = "wrong-password-7Kd2";
static const char *const USER_INFO = "hidden-user-info-4Tz9";
static char *secrets[64]; /* and the tokens that there were */
static int secret_count;
static long lines_logged;

static void remember(const char *secret) {
    REQUIRE(secret_count < 64);
    if (secret != NULL)
        secrets[secret_count++] = strdup(secret);
}

static void look(const char *text) {
    CHECK_LACKS(text, PASSWORD);
    CHECK_LACKS(text, WRONG_PASSWORD);
    CHECK_LACKS(text, USER_INFO);
    for (int i = 0; i < secret_count; i++)
        CHECK_LACKS(text, secrets[i]);
    CHECK_LACKS(text, "eyJ"); /* how every JWT begins */
}

static void look_at_log(void *userdata, int32_t level, const char *message) {
    (void)userdata;
    CHECK_BETWEEN(level, 1, 4);
    look(message);
    add(&lines_logged, 1);
}

static tm_manager *watched(const char *password, const char *options) {
    tm_manager *tm = new_manager_as(USERNAME, password, options);
    CHECK_STATUS(TM_OK, tm_set_log_callback(tm, look_at_log, NULL, 4, &err), err);
    return tm;
}

static void leave(tm_manager *tm) {
    char *stats = tm_stats_json(tm, &err);
    CHECK_OK(err);
    look(stats);
    tm_string_free(stats);
    tm_token *token = tm_peek_token(tm, &err);
    CHECK_OK(err);
    remember(tm_token_access(token));
    remember(tm_token_refresh(token));
    tm_token_free(token);
    tm_free(tm);
}

/* The status of a failed call, its text looked at; TM_OK if it did not fail. */
static tm_status status_of(tm_response *response) {
    tm_status status = tm_error_code(err);
    CHECK((response == NULL) == (err != NULL));
    if (err != NULL) {
        CHECK(tm_error_message(err) != NULL && strlen(tm_error_message(err)) > 10);
        look(tm_error_message(err));
        if (tm_error_server_code(err) != NULL)
            look(tm_error_server_code(err));
    }
    if (tm_response_error(response) != NULL)
        look(tm_error_message(tm_response_error(response)));
    tm_error_free(err);
    err = GARBAGE;
    tm_response_free(response);
    return status;
}

#define CHECK_FAILS(status, response) CHECK_STRING(tm_status_name(status_of(response)), #status)

/* ---- the auth endpoints --------------------------------------------------------------------------- */

static void wrong_passwords_suspend_login(void) {
    demo("{'reset':true}");
    tm_manager *tm = watched(WRONG_PASSWORD, NULL);
    CHECK(tm_get_token(tm, &err) == NULL);
    look(tm_error_message(err));
    CHECK_INT(tm_error_http_status(err), 401);
    CHECK_STRING(tm_error_server_code(err), "invalid_credentials");
    CHECK(!tm_error_is_retryable(err));
    CHECK_ERROR(err, TM_LOGIN_REJECTED);

    CHECK(tm_get_token(tm, &err) == NULL);
    look(tm_error_message(err));
    int64_t first_pause = tm_error_retry_after_ms(err);
    CHECK_BETWEEN(first_pause, 1, 300000);
    CHECK_ERROR(err, TM_LOGIN_SUSPENDED);
    CHECK_COUNT("login_arrivals", 1); /* that one was not tried */
    CHECK_FAILS(TM_LOGIN_SUSPENDED, call(tm, "GET", "/api/v1/products", NULL, &err));
    CHECK_COUNT("requests_h1", 1);

    /* When the pause is over login is tried again, and the next pause is longer. */
    tm_status status = TM_LOGIN_SUSPENDED;
    while (status == TM_LOGIN_SUSPENDED) {
        pause_ms(50);
        status = tm_login(tm, NULL);
    }
    CHECK_INT(status, TM_LOGIN_REJECTED);
    CHECK_COUNT("login_arrivals", 2);
    CHECK(tm_get_token(tm, &err) == NULL);
    CHECK(tm_error_retry_after_ms(err) > first_pause);
    CHECK_ERROR(err, TM_LOGIN_SUSPENDED);
    leave(tm);
}

static void the_whitelist_is_named(void) {
    demo("{'reset':true,'whitelist':['192.0.2.1']}");
    tm_manager *tm = watched(PASSWORD, NULL);
    CHECK(tm_get_token(tm, &err) == NULL);
    look(tm_error_message(err));
    CHECK(strcasestr(tm_error_message(err), "whitelist") != NULL);
    CHECK_INT(tm_error_http_status(err), 403);
    CHECK_STRING(tm_error_server_code(err), "ip_not_whitelisted");
    CHECK_ERROR(err, TM_FORBIDDEN);

    /* From the API it is a response, and costs neither tokens nor a refresh. */
    demo("{'reset':true}");
    tm_manager *let_in = watched(PASSWORD, NULL);
    remember(access_token(let_in));
    demo("{'whitelist':['192.0.2.1']}");
    for (int i = 0; i < 3; i++) {
        tm_response *response = call(let_in, "GET", "/api/v1/products", NULL, &err);
        CHECK_OK(err);
        CHECK_INT(tm_response_status(response), 403);
        CHECK_INT(tm_error_code(tm_response_error(response)), TM_FORBIDDEN);
        CHECK(strcasestr(tm_error_message(tm_response_error(response)), "whitelist") != NULL);
        tm_response_free(response);
    }
    CHECK_COUNT("login_arrivals", 1);
    CHECK_COUNT("refresh_arrivals", 0);
    CHECK_COUNT("api_arrivals", 3);
    demo("{'whitelist':null}");
    CHECK_INT(get(let_in, "/api/v1/products"), 200);
    leave(let_in);
    leave(tm);
}

static void a_429_holds_for_as_long_as_it_says(void) {
    demo("{'reset':true,'faults':{'route':'/auth/login','status':429,'retry_after':60,'times':null}}");
    tm_manager *tm = watched(PASSWORD, NULL);
    CHECK(tm_get_token(tm, &err) == NULL);
    CHECK_INT(tm_error_http_status(err), 429);
    CHECK_BETWEEN(tm_error_retry_after_ms(err), 59000, 60000);
    CHECK_ERROR(err, TM_RATE_LIMITED);
    for (int i = 0; i < 3; i++) {
        CHECK(tm_get_token(tm, &err) == NULL);
        CHECK_BETWEEN(tm_error_retry_after_ms(err), 1, 60000);
        tm_error_free(err);
        err = GARBAGE;
    }
    CHECK_COUNT("login_arrivals", 1);
    leave(tm);
}

struct failure { const char *what, *fault; tm_status status, or_status; };

/* Bytes that are no HTTP may be called a broken connection or a bad response; both are true. */
static const struct failure login_failures[] = {
    { "500", "'status':500", TM_SERVER_ERROR, TM_SERVER_ERROR },
    { "503 with a page", "'status':503,'do':'html'", TM_SERVER_ERROR, TM_SERVER_ERROR },
    { "a page", "'do':'html'", TM_BAD_RESPONSE, TM_BAD_RESPONSE },
    { "nothing", "'body':''", TM_BAD_RESPONSE, TM_BAD_RESPONSE },
    { "no token", "'body':{'success':true,'data':{}}", TM_BAD_RESPONSE, TM_BAD_RESPONSE },
    { "an empty token", "'body':{'access_token':''}", TM_BAD_RESPONSE, TM_BAD_RESPONSE },
    { "a number", "'body':{'access_token':7}", TM_BAD_RESPONSE, TM_BAD_RESPONSE },
    { "a header in it", "'body':{'access_token':'a\\r\\nX-Injected: 1'}", TM_BAD_RESPONSE, TM_BAD_RESPONSE },
    { "NULs", "'do':'nul'", TM_BAD_RESPONSE, TM_BAD_RESPONSE },
    { "too deep", "'do':'deep'", TM_BAD_RESPONSE, TM_BAD_RESPONSE },
    { "garbage", "'do':'garbage'", TM_NETWORK, TM_BAD_RESPONSE },
    { "truncated", "'do':'truncate'", TM_NETWORK, TM_NETWORK },
    { "reset", "'do':'reset'", TM_NETWORK, TM_NETWORK },
    { "closed", "'do':'close'", TM_NETWORK, TM_NETWORK },
    { "hanging", "'do':'hang'", TM_TIMEOUT, TM_TIMEOUT },
    { "a byte now and then", "'do':'trickle_body','every_ms':100", TM_TIMEOUT, TM_TIMEOUT },
    { "a slow head", "'do':'trickle_head','every_ms':100", TM_TIMEOUT, TM_TIMEOUT },
    { "a bomb", "'do':'bomb'", TM_RESPONSE_TOO_LARGE, TM_BAD_RESPONSE },
    { "endless", "'do':'endless'", TM_RESPONSE_TOO_LARGE, TM_BAD_RESPONSE } };

static void a_login_that_fails(void) {
    const int count = sizeof login_failures / sizeof *login_failures;
    for (int i = 0; i < count; i++) {
        const struct failure *failure = &login_failures[i];
        char document[256];
        snprintf(document, sizeof document, "{'reset':true,'faults':{'route':'/auth/login',%s,'times':null}}",
                 failure->fault);
        demo(document);
        bool should_time_out = failure->status == TM_TIMEOUT;
        tm_manager *tm = watched(PASSWORD, should_time_out ? "{'timeout_ms':700}" : "{'max_response_bytes':1000000}");
        tm_status status = status_of(call(tm, "GET", "/api/v1/products", NULL, &err));
        if (status != failure->status && status != failure->or_status)
            check_failed(__FILE__, __LINE__, "login answered with %s: %s, not %s", failure->what,
                         tm_status_name(status), tm_status_name(failure->status));
        CHECK_COUNT("api_arrivals", 0);
        leave(tm);
    }
}

/* ---- the API -------------------------------------------------------------------------------------- */

static const struct failure api_failures[] = {
    { "garbage", "'do':'garbage'", TM_NETWORK, TM_BAD_RESPONSE },
    { "truncated", "'do':'truncate'", TM_NETWORK, TM_NETWORK },
    { "reset", "'do':'reset'", TM_NETWORK, TM_NETWORK },
    { "closed", "'do':'close'", TM_NETWORK, TM_NETWORK },
    { "hanging", "'do':'hang'", TM_TIMEOUT, TM_TIMEOUT },
    { "a byte now and then", "'do':'trickle_body','every_ms':100", TM_TIMEOUT, TM_TIMEOUT },
    { "a slow head", "'do':'trickle_head','every_ms':100", TM_TIMEOUT, TM_TIMEOUT },
    { "a bomb", "'do':'bomb'", TM_RESPONSE_TOO_LARGE, TM_RESPONSE_TOO_LARGE },
    { "endless", "'do':'endless'", TM_RESPONSE_TOO_LARGE, TM_RESPONSE_TOO_LARGE },
    { "a huge header", "'do':'big_header'", TM_NETWORK, TM_RESPONSE_TOO_LARGE } };

static void a_call_that_fails(void) {
    const int count = sizeof api_failures / sizeof *api_failures;
    demo("{'reset':true}");
    tm_manager *tm = watched(PASSWORD, "{'max_response_bytes':1000000}");
    remember(access_token(tm));
    for (int i = 0; i < count; i++) {
        const struct failure *failure = &api_failures[i];
        char document[256];
        snprintf(document, sizeof document, "{'faults':{'route':'/api/v1/products',%s,'times':null}}", failure->fault);
        demo(document);
        const char *options = failure->status == TM_TIMEOUT ? "{'timeout_ms':700}" : NULL;
        tm_status status = status_of(call(tm, "GET", "/api/v1/products", options, &err));
        if (status != failure->status && status != failure->or_status)
            check_failed(__FILE__, __LINE__, "a call answered with %s: %s, not %s", failure->what,
                         tm_status_name(status), tm_status_name(failure->status));
        demo("{'clear_faults':true}");
        CHECK_INT(get(tm, "/api/v1/products"), 200); /* and the next is well */
    }
    CHECK_COUNT("logins", 1);
    CHECK_COUNT("refresh_arrivals", 0);
    leave(tm);
}

static void an_answer_may_be_as_large_as_allowed(void) {
    demo("{'reset':true}");
    tm_manager *tm = watched(PASSWORD, "{'max_response_bytes':100000}");
    CHECK_INT(get(tm, "/api/v1/blob?bytes=100000"), 200);
    CHECK_INT(get(tm, "/api/v1/blob?bytes=100000&gzip=1"), 200);
    CHECK_INT(get(tm, "/api/v1/blob?bytes=100001"), -TM_RESPONSE_TOO_LARGE);
    CHECK_INT(get(tm, "/api/v1/blob?bytes=100001&gzip=1"), -TM_RESPONSE_TOO_LARGE); /* what counts is what comes out */
    leave(tm);
}

/* A gigabyte in a small parcel, and a body without an end, both refused without being held. */
static void memory_stays_bounded(void) {
    struct rusage before, after;
    demo("{'reset':true,'faults':[{'route':'/api/*','do':'bomb'},{'route':'/api/*','do':'endless'}]}");
    tm_manager *tm = watched(PASSWORD, "{'max_response_bytes':1000000}");
    remember(access_token(tm));
    getrusage(RUSAGE_SELF, &before);
    CHECK_FAILS(TM_RESPONSE_TOO_LARGE, call(tm, "GET", "/api/v1/products", NULL, &err));
    CHECK_FAILS(TM_RESPONSE_TOO_LARGE, call(tm, "GET", "/api/v1/products", NULL, &err));
    getrusage(RUSAGE_SELF, &after);
    CHECK_BETWEEN(after.ru_maxrss - before.ru_maxrss, 0, 64 * 1024);
    leave(tm);
}

static void a_server_that_refuses_every_token(void) {
    demo("{'reset':true,'refuse_all_access':true}");
    tm_manager *tm = watched(PASSWORD, NULL);
    for (int i = 0; i < 5; i++) {
        tm_response *response = call(tm, "GET", "/api/v1/products", NULL, &err);
        CHECK_OK(err);
        CHECK_INT(tm_response_status(response), 401);
        CHECK_INT(tm_error_code(tm_response_error(response)), TM_UNAUTHORIZED);
        CHECK_STRING(tm_error_server_code(tm_response_error(response)), "invalid_token");
        look(tm_error_message(tm_response_error(response)));
        tm_response_free(response);
        if (i == 0) /* three sends, one refresh, one login beside the one that came first */
            CHECK_BETWEEN(demo_count("api_arrivals"), 1, 3);
    }
    CHECK_BETWEEN(demo_count("login_arrivals"), 1, 3); /* it is not hammered */
    CHECK_BETWEEN(demo_count("refresh_arrivals"), 0, 2);
    CHECK_COUNT("max_arrivals_of_one_refresh_token", demo_count("refresh_arrivals") > 0);
    leave(tm);
}

/* ---- below HTTP ----------------------------------------------------------------------------------- */

static void nobody_there(void) {
    char host[64];
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int closed = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* bound, so nobody else gets it, but deaf */
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(closed, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(getsockname(closed, (struct sockaddr *)&address, &size) == 0);
    snprintf(host, sizeof host, "http://127.0.0.1:%d", ntohs(address.sin_port));

    tm_manager *tm = tm_new(host, USERNAME, PASSWORD, "{\"proxy\":\"none\"}", &err);
    CHECK_OK(err);
    CHECK(tm_get_token(tm, &err) == NULL);
    CHECK_CONTAINS(tm_error_message(err), "127.0.0.1"); /* on what it failed */
    CHECK(tm_error_is_retryable(err));
    look(tm_error_message(err));
    CHECK_ERROR(err, TM_NETWORK);
    tm_free(tm);
    close(closed);
}

static void tls_to_a_port_without(void) {
    char host[64];
    snprintf(host, sizeof host, "https://127.0.0.1%s", strrchr(api, ':'));
    tm_manager *tm = tm_new(host, USERNAME, PASSWORD, NULL, &err);
    CHECK_OK(err);
    CHECK(tm_get_token(tm, &err) == NULL);
    look(tm_error_message(err));
    CHECK_ERROR(err, TM_TLS);
    tm_free(tm);
}

/* ---- what others put into our mouth ---------------------------------------------------------------- */

/* A server that repeats what it was sent, or sends a page for a message. */
static void the_servers_words_are_cut_and_scrubbed(void) {
    char document[16384], long_text[4000];
    demo("{'reset':true}");
    tm_manager *tm = watched(PASSWORD, NULL);
    tm_token *token = tm_get_token(tm, &err);
    CHECK_OK(err);
    remember(tm_token_access(token));
    remember(tm_token_refresh(token));
    memset(long_text, 'w', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    snprintf(document, sizeof document,
             "{'faults':[{'route':'/api/*','status':400,'body':{'error':{'code':'c','message':'not %s, please'}}},"
             "{'route':'/api/*','status':400,'body':{'error':'code','message':'not %s'}},"
             "{'route':'/api/*','status':400,'body':{'error':{'code':'%s','message':'%s'}}}]}",
             tm_token_access(token), tm_token_refresh(token), long_text, long_text);
    demo(document);
    for (int i = 0; i < 3; i++) {
        tm_response *response = call(tm, "GET", "/api/v1/products", NULL, &err);
        CHECK_OK(err);
        const tm_error *error = tm_response_error(response);
        REQUIRE(error != NULL);
        look(tm_error_message(error));
        CHECK(strlen(tm_error_message(error)) < 2000);
        if (tm_error_server_code(error) != NULL) {
            look(tm_error_server_code(error));
            CHECK(strlen(tm_error_server_code(error)) <= 500);
        }
        tm_response_free(response);
    }
    tm_token_free(token);
    leave(tm);

    snprintf(document, sizeof document, "{'reset':true,'faults':{'route':'/auth/login','status':401,"
             "'body':{'error':{'code':'c','message':'no user has the password %s'}}}}", WRONG_PASSWORD);
    demo(document);
    tm_manager *locked_out = watched(WRONG_PASSWORD, NULL);
    CHECK_FAILS(TM_LOGIN_REJECTED, call(locked_out, "GET", "/api/v1/products", NULL, &err));
    leave(locked_out);
}

/* Names and passwords in URLs are secrets too, wherever the URL ends up. */
static void user_info_is_not_repeated(void) {
    char url[128];
    demo("{'reset':true}");
    tm_manager *tm = watched(PASSWORD, NULL);
    snprintf(url, sizeof url, "http://user:%s@127.0.0.1%s/api/v1/status/404", USER_INFO, strrchr(api, ':'));
    (void)status_of(call(tm, "GET", url, NULL, &err));
    snprintf(url, sizeof url, "http://user:%s@example.com/", USER_INFO);
    CHECK_FAILS(TM_URL_NOT_ALLOWED, call(tm, "GET", url, NULL, &err));
    snprintf(url, sizeof url, "http://user:%s@:80:80/", USER_INFO);
    CHECK(status_of(call(tm, "GET", url, NULL, &err)) != TM_OK);
    leave(tm);

    char options[128];
    snprintf(options, sizeof options, "{\"proxy\":\"http://user:%s@127.0.0.1:1\"}", USER_INFO);
    tm_manager *through_proxy = tm_new(api, USERNAME, PASSWORD, options, &err);
    if (through_proxy != NULL) {
        CHECK_OK(err);
        tm_set_log_callback(through_proxy, look_at_log, NULL, 4, NULL);
        (void)status_of(call(through_proxy, "GET", "/api/v1/products", NULL, &err));
        leave(through_proxy);
    } else {
        look(tm_error_message(err));
        tm_error_free(err);
        err = GARBAGE;
    }
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    wrong_passwords_suspend_login();
    the_whitelist_is_named();
    a_429_holds_for_as_long_as_it_says();
    a_login_that_fails();
    a_call_that_fails();
    an_answer_may_be_as_large_as_allowed();
    if (!brief) /* Valgrind's own memory would count */
        memory_stays_bounded();
    a_server_that_refuses_every_token();
    nobody_there();
    tls_to_a_port_without();
    the_servers_words_are_cut_and_scrubbed();
    user_info_is_not_repeated();
    CHECK(lines_logged > 0);
    for (int i = 0; i < secret_count; i++)
        free(secrets[i]);
    return check_end();
}
