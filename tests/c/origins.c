/* Where a token may go: to the host's own origin and to those that were allowed, nowhere else, by no detour. */
#include "other_server.h"

static tm_error *err = GARBAGE;

/* What arrives here should not have been sent. */
static struct other_server *elsewhere;

static void absolute_urls_of_the_host_are_fine(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    char url[128];
    snprintf(url, sizeof url, "%s/api/v1/products", api);
    CHECK_INT(get(tm, url), 200);
    snprintf(url, sizeof url, "HTTP://127.0.0.1%s/api/v1/products?a=b#c", strrchr(api, ':')); /* the same */
    CHECK_INT(get(tm, url), 200);
    CHECK_COUNT("logins", 1);
    tm_free(tm);
}

static void a_path_is_appended_to_the_hosts_prefix(void) {
    demo("{'reset':true}");
    tm_manager *whole = new_manager(NULL);
    tm_token *token = tm_get_token(whole, &err);
    CHECK_OK(err);

    char host[128], url[128];
    snprintf(host, sizeof host, "%s/api/v1", api);
    tm_manager *prefixed = tm_new(host, USERNAME, PASSWORD, NULL, &err);
    CHECK_OK(err);
    CHECK_STATUS(TM_OK, tm_set_tokens(prefixed, tm_token_access(token), NULL, 0, 0, &err), err);
    CHECK_INT(get(prefixed, "/products"), 200);
    snprintf(url, sizeof url, "%s/api/v1/categories", api);
    CHECK_INT(get(prefixed, url), 200); /* an absolute one is taken as it is */
    CHECK_COUNT("api_200", 2);
    tm_token_free(token);
    tm_free(prefixed);
    tm_free(whole);
}

/* Refused before a login, so that not even that is sent. */
static void other_origins_get_nothing(void) {
    int port = atoi(strrchr(api, ':') + 1), other = elsewhere->port;
    char urls[9][128];
    snprintf(urls[0], sizeof urls[0], "http://127.0.0.1:%d/", other);                    /* another port */
    snprintf(urls[1], sizeof urls[1], "http://localhost:%d/api/v1/products", port);      /* another name */
    snprintf(urls[2], sizeof urls[2], "https://127.0.0.1:%d/api/v1/products", port);     /* another scheme */
    snprintf(urls[3], sizeof urls[3], "http://127.0.0.1:%d@127.0.0.1:%d/", port, other); /* a name and a password */
    snprintf(urls[4], sizeof urls[4], "http://127.0.0.1/");                              /* no port */
    snprintf(urls[5], sizeof urls[5], "http://127.0.0.1:%d.example.com/", port);
    snprintf(urls[6], sizeof urls[6], "http://192.0.2.1:%d/", port);
    snprintf(urls[7], sizeof urls[7], "https://example.com/");
    snprintf(urls[8], sizeof urls[8], "http://[::1]:%d/", port);

    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        CHECK(call(tm, "GET", urls[i], NULL, &err) == NULL);
        if (i == 5) /* whether that is a port or a host, it is not this host */
            CHECK(tm_error_code(err) == TM_URL_NOT_ALLOWED || tm_error_code(err) == TM_INVALID_ARGUMENT);
        else
            CHECK_INT(tm_error_code(err), TM_URL_NOT_ALLOWED);
        tm_error_free(err);
        err = GARBAGE;
    }
    static const char *const schemes[] = { "file:///etc/hostname", "ftp://127.0.0.1/", "data:,x", "javascript:1" };
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        CHECK(call(tm, "GET", schemes[i], NULL, &err) == NULL);
        CHECK(tm_error_code(err) == TM_URL_NOT_ALLOWED || tm_error_code(err) == TM_INVALID_ARGUMENT);
        tm_error_free(err);
        err = GARBAGE;
    }
    CHECK_COUNT("connections", 0);
    tm_free(tm);
}

static void allowed_origins_get_the_token(void) {
    demo("{'reset':true}");
    char options[128];
    snprintf(options, sizeof options, "{'allowed_origins':['http://localhost%s']}", strrchr(api, ':'));
    tm_manager *tm = new_manager(options);
    char url[128];
    snprintf(url, sizeof url, "http://localhost%s/api/v1/products", strrchr(api, ':'));
    CHECK_INT(get(tm, url), 200);
    snprintf(url, sizeof url, "%s/", elsewhere->origin);
    CHECK_INT(get(tm, url), -TM_URL_NOT_ALLOWED); /* that one, and no other */
    tm_free(tm);
}

/* Off loopback a token never travels in the clear, unless someone asked for just that. */
static void plain_http_is_for_loopback(void) {
    tm_manager *tm = tm_new("http://192.0.2.1", "u", "p", NULL, &err);
    if (tm != NULL) {
        CHECK_OK(err);
        CHECK_INT(get(tm, "/"), -TM_URL_NOT_ALLOWED);
        tm_token *token = tm_get_token(tm, &err);
        CHECK(token == NULL);
    }
    CHECK_ERROR(err, TM_URL_NOT_ALLOWED);
    tm_free(tm);
}

static void redirects_within_the_origin_are_followed(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    char url[128];
    snprintf(url, sizeof url, "%s/api/v1/products", api);

    static const int statuses[] = { 301, 302, 303, 307, 308 };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        char path[128];
        snprintf(path, sizeof path, "/api/v1/redirect?status=%d&to=/api/v1/products", statuses[i]);
        tm_response *response = call(tm, "GET", path, NULL, &err);
        CHECK_OK(err);
        CHECK_INT(tm_response_status(response), 200);
        CHECK_STRING(tm_response_url(response), url);
        CHECK_CONTAINS((const char *)tm_response_body(response), "Popup Coffee Card");
        tm_response_free(response);
    }

    static const char twice[] = "/api/v1/redirect?to=/api/v1/redirect%3Fto%3D%252Fapi%252Fv1%252Fproducts";
    tm_response *chain = call(tm, "GET", twice, NULL, &err);
    CHECK_OK(err);
    CHECK_INT(tm_response_status(chain), 200);
    CHECK_STRING(tm_response_url(chain), url);
    tm_response_free(chain);
    tm_free(tm);
}

/* Sent again, a POST could do its work twice: the caller gets the redirect, and decides. */
static void redirects_of_a_post_are_handed_back(void) {
    static const int statuses[] = { 301, 302, 303, 307, 308 };
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    for (int i = 0; i < 5; i++) {
        char path[128];
        snprintf(path, sizeof path, "/api/v1/redirect?status=%d&to=/api/v1/echo", statuses[i]);
        tm_response *response = tm_request(tm, "POST", path, "body", 4, NULL, &err);
        CHECK_OK(err);
        CHECK_INT(tm_response_status(response), statuses[i]);
        CHECK_STRING(tm_response_header(response, "location"), "/api/v1/echo");
        CHECK(tm_response_error(response) == NULL);
        tm_response_free(response);
    }
    CHECK_COUNT("api_arrivals", 5);
    tm_free(tm);
}

/* Whether the caller gets the redirect or an error, the token does not go there. */
static void redirects_elsewhere_are_not_followed(void) {
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    char path[128];
    snprintf(path, sizeof path, "/api/v1/redirect?to=%s/", elsewhere->origin);
    int outcome = get(tm, path);
    CHECK(outcome == 302 || outcome == -TM_URL_NOT_ALLOWED);
    snprintf(path, sizeof path, "/api/v1/redirect?status=307&to=//127.0.0.1:%d/", elsewhere->port);
    outcome = get(tm, path);
    CHECK(outcome == 307 || outcome == -TM_URL_NOT_ALLOWED);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    tm_free(tm);
}

static void a_circle_of_redirects_ends(void) {
    demo("{'reset':true,'faults':{'route':'/api/v1/products','status':302,'headers':{'Location':'/api/v1/products'},"
         "'times':null}}");
    tm_manager *tm = new_manager(NULL);
    int outcome = get(tm, "/api/v1/products");
    CHECK(outcome == 302 || outcome < 0);
    CHECK_BETWEEN(demo_count("api_arrivals"), 1, 50);
    tm_free(tm);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    static const char welcome[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    elsewhere = other_server_start(welcome, sizeof welcome - 1);
    absolute_urls_of_the_host_are_fine();
    a_path_is_appended_to_the_hosts_prefix();
    other_origins_get_nothing();
    allowed_origins_get_the_token();
    plain_http_is_for_loopback();
    redirects_within_the_origin_are_followed();
    redirects_of_a_post_are_handed_back();
    redirects_elsewhere_are_not_followed();
    a_circle_of_redirects_ends();
    other_server_stop(elsewhere);
    CHECK_INT(elsewhere->arrivals, 0);
    free(elsewhere);
    return check_end();
}
