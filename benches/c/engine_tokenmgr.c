/* Ours: one manager for all threads. */
#include "engine.h"

#include <stdint.h>
#include <stdio.h>

#include "tokenmgr.h"

/* Far enough ahead that no run ever refreshes. */
static const int64_t YEAR_2100 = 4102444800;

static bool report(const char *what, tm_error *err)
{
    fprintf(stderr, "libtokenmgr: %s: %s\n", what, tm_error_message(err));
    tm_error_free(err);
    return false;
}

static void *open_manager(const struct target *target)
{
    /* The server's CA is found as one of the system's would be: SSL_CERT_FILE names them all. */
    tm_error *err = NULL;
    tm_manager *tm = tm_new(target->base_url, "bench", "bench", NULL, &err);
    if (!tm) {
        report("tm_new", err);
        return NULL;
    }
    /* Without a token the first call logs in by itself. */
    if (!target->login
        && tm_set_tokens(tm, target->token, "bench-refresh-token", YEAR_2100, YEAR_2100, &err) != TM_OK) {
        report("tm_set_tokens", err);
        tm_free(tm);
        return NULL;
    }
    return tm;
}

static bool request(void *client)
{
    tm_error *err = NULL;
    tm_response *response = tm_request(client, "GET", PRODUCTS_PATH, NULL, 0, NULL, &err);
    if (!response)
        return report("tm_request", err);

    bool good = tm_response_status(response) == 200 && tm_response_body_len(response) >= PRODUCTS_LEAST;
    if (!good)
        fprintf(stderr, "libtokenmgr: unexpected answer %d\n", (int)tm_response_status(response));
    tm_response_free(response);
    return good;
}

static void close_manager(void *client)
{
    tm_free(client);
}

const struct engine engine = {
    .shared = true,
    .tls = true,
    .open = open_manager,
    .request = request,
    .close = close_manager,
};
