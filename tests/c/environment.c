/* The environment is read by tm_new, once: what becomes of it afterwards is nothing to a manager. */
#include "check.h"
#include "other_server.h"

/* A name that no name server knows: only a proxy can reach what goes by it. */
#define NOWHERE "http://api.shop.invalid"

static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";

static tm_error *err = GARBAGE;

static void set(const char *name, const char *value) {
    REQUIRE((value ? setenv(name, value, 1) : unsetenv(name)) == 0);
}

static void set_all(const char *value) {
    static const char *const names[] = { "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        set(names[i], value);
}

/* It holds a token, so that its first call needs no login and is the first thing that it does at all. */
static tm_manager *of_nowhere(void) {
    tm_manager *tm = tm_new(NOWHERE, USERNAME, PASSWORD, "{\"allow_insecure_http\":true}", &err);
    CHECK_OK(err);
    REQUIRE(tm != NULL);
    CHECK_STATUS(TM_OK, tm_set_tokens(tm, "the-token", NULL, 0, 0, &err), err);
    return tm;
}

static void a_proxy_is_kept(void) {
    struct other_server *first = other_server_start(ANSWER, sizeof ANSWER - 1);
    struct other_server *second = other_server_start(ANSWER, sizeof ANSWER - 1);
    set_all(first->origin);
    tm_manager *tm = of_nowhere();
    set_all(second->origin);
    CHECK_INT(get(tm, "/x"), 200);
    set_all(NULL);
    CHECK_INT(get(tm, "/x"), 200);
    set("NO_PROXY", "*");
    CHECK_INT(get(tm, "/x"), 200);
    set_all("no proxy's URL at all");
    CHECK_INT(get(tm, "/x"), 200);
    tm_free(tm);
    set_all(NULL);
    set("NO_PROXY", NULL);
    other_server_stop(first);
    other_server_stop(second);
    CHECK_INT(first->arrivals, 4);
    CHECK_INT(second->arrivals, 0);
    free(first);
    free(second);
}

static void no_proxy_is_kept(void) {
    struct other_server *proxy = other_server_start(ANSWER, sizeof ANSWER - 1);
    set_all(NULL);
    tm_manager *tm = of_nowhere();
    set_all(proxy->origin);
    CHECK_INT(get(tm, "/x"), -TM_NETWORK);
    tm_free(tm);
    set("NO_PROXY", "shop.invalid");
    tm = of_nowhere();
    set("NO_PROXY", NULL);
    CHECK_INT(get(tm, "/x"), -TM_NETWORK);
    tm_free(tm);
    tm = of_nowhere();
    CHECK_INT(get(tm, "/x"), 200);
    tm_free(tm);
    set_all(NULL);
    other_server_stop(proxy);
    CHECK_INT(proxy->arrivals, 1);
    free(proxy);
}

/* A store's secrets are asked for in each call. */
static void a_secret_is_kept(void) {
    struct other_server *vault = other_server_start(ANSWER, sizeof ANSWER - 1);
    char options[256];
    snprintf(options, sizeof options,
             "{\"store\":{\"type\":\"vault\",\"url\":\"%s\",\"path\":\"x\",\"token\":{\"env\":\"OF_THE_VAULT\"}}}",
             vault->origin);
    set("OF_THE_VAULT", "first");
    tm_manager *tm = tm_new(api, USERNAME, PASSWORD, options, &err);
    CHECK_OK(err);
    set("OF_THE_VAULT", "second");
    CHECK_STATUS(TM_STORE, tm_check_store(tm, &err), err);
    tm_free(tm);
    set("OF_THE_VAULT", NULL);
    other_server_stop(vault);
    CHECK(strstr(vault->request, "first") != NULL);
    CHECK(strstr(vault->request, "second") == NULL);
    free(vault);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    a_secret_is_kept();
    a_proxy_is_kept();
    no_proxy_is_kept();
    return check_end();
}
