/* The main job: an API call goes out with a token, and all of its answer comes back. */
#include "other_server.h"

static tm_error *err = GARBAGE;

static const char *body_of(const tm_response *response) { return (const char *)tm_response_body(response); }

static void logs_in_once_and_calls(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    CHECK_COUNT("connections", 0);
    for (int i = 0; i < 3; i++) {
        tm_response *response = call(tm, "GET", "/api/v1/products", NULL, &err);
        CHECK_OK(err);
        CHECK_INT(tm_response_status(response), 200);
        CHECK_CONTAINS(body_of(response), "Popup Coffee Card");
        CHECK(tm_response_error(response) == NULL);
        char url[128];
        snprintf(url, sizeof url, "%s/api/v1/products", api);
        CHECK_STRING(tm_response_url(response), url);
        tm_response_free(response);
    }
    CHECK_COUNT("logins", 1);
    CHECK_COUNT("api_200", 3);
    CHECK_COUNT("connections", 1); /* login and calls share one */
    tm_free(tm);
}

/* A body may hold anything; behind it is a NUL that is not counted, so that a text can be used as one. */
static void bodies_are_whole_and_end_with_a_nul(void) {
    static const size_t sizes[] = { 0, 1, 2, 250, 4096, 65536, 1000000 };
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int gzip = 0; gzip <= 1; gzip++) {
            char path[64];
            snprintf(path, sizeof path, "/api/v1/blob?bytes=%zu&gzip=%d", sizes[i], gzip);
            tm_response *response = call(tm, "GET", path, NULL, &err);
            CHECK_OK(err);
            REQUIRE(response != NULL);
            const unsigned char *body = (const unsigned char *)tm_response_body(response);
            CHECK_INT(tm_response_body_len(response), sizes[i]);
            REQUIRE(body != NULL);
            size_t right = 0;
            while (right < sizes[i] && body[right] == right % 251) /* the demo API's pattern */
                right++;
            CHECK_INT(right, sizes[i]);
            CHECK_INT(body[sizes[i]], 0);
            tm_response_free(response);
        }
    }
    tm_response *empty = call(tm, "GET", "/api/v1/status/204", NULL, &err);
    CHECK_OK(err);
    CHECK_INT(tm_response_status(empty), 204);
    CHECK_INT(tm_response_body_len(empty), 0);
    CHECK_STRING(body_of(empty), "");
    tm_response_free(empty);
    tm_free(tm);
}

static tm_response *post(tm_manager *tm, const void *body, size_t len, const char *options) {
    char *options_json = options ? json(options) : NULL;
    tm_response *response = tm_request(tm, "POST", "/api/v1/echo", body, len, options_json, &err);
    free(options_json);
    CHECK_OK(err);
    REQUIRE(response != NULL);
    CHECK_INT(tm_response_status(response), 200);
    return response;
}

static void sends_bodies_as_they_are(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);

    tm_response *text = post(tm, "{\"a\":1}", 7, NULL);
    CHECK_CONTAINS(body_of(text), "\"content-type\":[\"application/json\"]");
    CHECK_CONTAINS(body_of(text), "\"body\":\"{\\\"a\\\":1}\"");
    tm_response_free(text);

    tm_response *bytes = post(tm, "\0\1\2", 3, "{'content_type':'application/octet-stream'}");
    CHECK_CONTAINS(body_of(bytes), "\"content-type\":[\"application/octet-stream\"]");
    CHECK_CONTAINS(body_of(bytes), "\"body_base64\":\"AAEC\"");
    tm_response_free(bytes);

    tm_response *nothing = post(tm, NULL, 0, NULL);
    CHECK_CONTAINS(body_of(nothing), "\"body_bytes\":0");
    tm_response_free(nothing);

    const size_t size = 1000000;
    char *large = (char *)malloc(size);
    REQUIRE(large != NULL);
    memset(large, 'x', size);
    tm_response *echo = post(tm, large, size, "{'content_type':'text/plain'}");
    CHECK_CONTAINS(body_of(echo), "\"body_bytes\":1000000");
    tm_response_free(echo);
    free(large);
    CHECK_COUNT("logins", 1);
    tm_free(tm);
}

static void sends_headers_and_queries(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager("{'headers':{'X-Always':'of the manager'},'user_agent':'a-test/1'}");
    tm_response *response = call(tm, "GET", "/api/v1/echo?first=0",
        "{'headers':{'X-One':'1','X-Many':['a','b']},'query':{'q':'a b&c=d/\xc3\xa9','many':['1','2']}}", &err);
    CHECK_OK(err);
    const char *echo = body_of(response);
    CHECK_CONTAINS(echo, "\"x-one\":[\"1\"]");
    CHECK_CONTAINS(echo, "\"x-many\":[\"a\",\"b\"]");
    CHECK_CONTAINS(echo, "\"x-always\":[\"of the manager\"]");
    CHECK_CONTAINS(echo, "\"user-agent\":[\"a-test/1\"]");
    CHECK_CONTAINS(echo, "[\"first\",\"0\"]");
    CHECK_CONTAINS(echo, "[\"q\",\"a b&c=d/\xc3\xa9\"]");
    CHECK_CONTAINS(echo, "[\"many\",\"1\"],[\"many\",\"2\"]");
    tm_response_free(response);
    tm_free(tm);
}

/* Nothing that a caller puts into a header's value can become a header of its own. */
static void lets_nobody_smuggle_a_header(void) {
    static const char *const options[] = {
        "{'headers':{'X-One':'1\\r\\nX-Two: 2'}}", "{'headers':{'X-One':'1\\u0000'}}", "{'headers':{'X One':'1'}}",
        "{'headers':{'X-One\\r\\nX-Two':'2'}}", "{'headers':{'':'1'}}", "{'content_type':'a\\r\\nX-Two: 2'}" };
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        CHECK_NULL(TM_INVALID_OPTIONS, call(tm, "GET", "/api/v1/echo", options[i], &err), err);
    }
    CHECK_COUNT("connections", 0);
    tm_free(tm);
}

/* Header values are bytes: repeats stay in order, and what is not UTF-8 stays what it is. */
static void hands_headers_over_as_received(void) {
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nX-Repeat: one\r\nx-other: o\r\nX-REPEAT: two\r\nX-Latin: caf\xe9\r\nX-Empty:\r\n"
        "Content-Length: 2\r\nConnection: close\r\n\r\nok";
    demo("{'reset':true}");
    struct other_server *server = other_server_start(answer, sizeof answer - 1);
    char options[128];
    snprintf(options, sizeof options, "{'allowed_origins':['%s']}", server->origin);
    tm_manager *tm = new_manager(options);
    tm_response *response = call(tm, "GET", server->origin, NULL, &err);
    CHECK_OK(err);
    other_server_stop(server);

    CHECK_INT(tm_response_status(response), 200);
    CHECK_STRING(body_of(response), "ok");
    CHECK_STRING(tm_response_header(response, "x-repeat"), "one");
    CHECK_STRING(tm_response_header(response, "X-Repeat"), "one");
    CHECK_STRING(tm_response_header(response, "X-REPEAT"), "one");
    CHECK_STRING(tm_response_header(response, "X-Latin"), "caf\xe9");
    CHECK_STRING(tm_response_header(response, "x-empty"), "");
    CHECK(tm_response_header(response, "x-absent") == NULL);
    CHECK(tm_response_header(response, "") == NULL);
    CHECK(tm_response_header(response, NULL) == NULL);
    CHECK(tm_response_header(response, "x-caf\xe9") == NULL);

    char repeats[32] = "";
    size_t headers = tm_response_header_count(response);
    for (size_t i = 0; i < headers; i++) {
        REQUIRE(tm_response_header_name(response, i) != NULL && tm_response_header_value(response, i) != NULL);
        if (strcasecmp(tm_response_header_name(response, i), "x-repeat") == 0) {
            strcat(repeats, tm_response_header_value(response, i));
            strcat(repeats, ",");
        }
    }
    CHECK_STRING(repeats, "one,two,");
    CHECK_INT(headers, 7);
    CHECK(tm_response_header_name(response, headers) == NULL);
    CHECK(tm_response_header_value(response, headers) == NULL);
    CHECK(tm_response_header_name(response, SIZE_MAX) == NULL);
    CHECK(tm_response_header_value(response, SIZE_MAX) == NULL);

    /* What arrived there came from us. */
    CHECK_INT(server->arrivals, 1);
    CHECK_CONTAINS(server->request, "GET / HTTP/1.1\r\n");
    CHECK(strcasestr(server->request, "\r\nauthorization: Bearer ") != NULL);
    tm_response_free(response);
    tm_free(tm);
    free(server);
}

/* Any HTTP answer is a response; its error says what it means and what the server said. */
static void every_refusal_is_a_response_with_an_error(void) {
    static const struct { int status; tm_status meaning; bool retryable; } refusals[] = {
        { 400, TM_HTTP_ERROR, false }, { 403, TM_FORBIDDEN, false }, { 404, TM_HTTP_ERROR, false },
        { 405, TM_HTTP_ERROR, false }, { 409, TM_HTTP_ERROR, false }, { 422, TM_HTTP_ERROR, false },
        { 429, TM_RATE_LIMITED, true }, { 500, TM_SERVER_ERROR, true }, { 502, TM_SERVER_ERROR, true },
        { 503, TM_SERVER_ERROR, true }, { 504, TM_SERVER_ERROR, true } };
    const int count = sizeof refusals / sizeof *refusals;
    for (int old_envelope = 0; old_envelope <= 1; old_envelope++) {
        demo(old_envelope ? "{'reset':true,'old_envelope':true}" : "{'reset':true}");
        tm_manager *tm = new_manager(NULL);
        for (int i = 0; i < count; i++) {
            char path[64];
            snprintf(path, sizeof path, "/api/v1/status/%d", refusals[i].status);
            tm_response *response = call(tm, "GET", path, NULL, &err);
            CHECK_OK(err);
            CHECK_INT(tm_response_status(response), refusals[i].status);
            CHECK_CONTAINS(body_of(response), "as_requested");
            const tm_error *error = tm_response_error(response);
            REQUIRE(error != NULL);
            CHECK_STRING(tm_status_name(tm_error_code(error)), tm_status_name(refusals[i].meaning));
            CHECK_INT(tm_error_http_status(error), refusals[i].status);
            CHECK_STRING(tm_error_server_code(error), "as_requested");
            CHECK_CONTAINS(tm_error_message(error), "The status that was asked for");
            CHECK_INT(tm_error_retry_after_ms(error), -1);
            CHECK_INT(tm_error_is_retryable(error), refusals[i].retryable);
            tm_response_free(response);
        }
        CHECK_COUNT("api_arrivals", count); /* each was sent once */
        CHECK_COUNT("logins", 1);
        CHECK_COUNT("refresh_arrivals", 0);
        tm_free(tm);
    }
}

static void says_when_to_come_back(void) {
    demo("{'reset':true,'faults':[{'route':'/api/v1/products','status':429,'retry_after':7},"
         "{'route':'/api/v1/products','status':503,'retry_after':'Fri, 31 Dec 2100 23:59:59 GMT','body':'<html>'}]}");
    tm_manager *tm = new_manager(NULL);
    tm_response *limited = call(tm, "GET", "/api/v1/products", NULL, &err);
    CHECK_OK(err);
    CHECK_INT(tm_error_retry_after_ms(tm_response_error(limited)), 7000);
    tm_response_free(limited);

    tm_response *down = call(tm, "GET", "/api/v1/products", NULL, &err);
    CHECK_OK(err);
    CHECK_INT(tm_error_code(tm_response_error(down)), TM_SERVER_ERROR);
    CHECK(tm_error_server_code(tm_response_error(down)) == NULL); /* a web page has none */
    CHECK(tm_error_retry_after_ms(tm_response_error(down)) > 0);
    tm_response_free(down);
    tm_free(tm);
}

static void a_head_has_no_body(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    tm_response *response = call(tm, "HEAD", "/api/v1/products", NULL, &err);
    CHECK_OK(err);
    CHECK_INT(tm_response_status(response), 200);
    CHECK_INT(tm_response_body_len(response), 0);
    CHECK_STRING(body_of(response), "");
    CHECK_STRING(tm_response_header(response, "content-type"), "application/json");
    tm_response_free(response);
    CHECK_INT(get(tm, "/api/v1/products"), 200); /* and the connection is fit for more */
    CHECK_COUNT("connections", 1);
    tm_free(tm);
}

static void sends_every_method(void) {
    static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "X-OWN" };
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char expected[64];
        tm_response *response = call(tm, methods[i], "/api/v1/echo", NULL, &err);
        CHECK_OK(err);
        CHECK_INT(tm_response_status(response), 200);
        snprintf(expected, sizeof expected, "\"method\":\"%s\"", methods[i]);
        CHECK_CONTAINS(body_of(response), expected);
        tm_response_free(response);
    }
    tm_free(tm);
}

static void a_call_ends_at_its_own_timeout(void) {
    demo("{'reset':true,'faults':{'route':'/api/v1/products','do':'hang'}}");
    tm_manager *tm = new_manager(NULL);
    CHECK_INT(get(tm, "/api/v1/categories"), 200); /* logged in */
    int64_t began = now_ms();
    CHECK(call(tm, "GET", "/api/v1/products", "{'timeout_ms':300}", &err) == NULL);
    CHECK(now_ms() - began >= 300);
    CHECK_INT(tm_error_http_status(err), 0);
    CHECK(tm_error_is_retryable(err));
    CHECK_ERROR(err, TM_TIMEOUT);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    tm_free(tm);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    logs_in_once_and_calls();
    bodies_are_whole_and_end_with_a_nul();
    sends_bodies_as_they_are();
    sends_headers_and_queries();
    lets_nobody_smuggle_a_header();
    hands_headers_over_as_received();
    every_refusal_is_a_response_with_an_error();
    says_when_to_come_back();
    a_head_has_no_body();
    sends_every_method();
    a_call_ends_at_its_own_timeout();
    return check_end();
}
