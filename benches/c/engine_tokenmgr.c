/* Ours: one manager for all threads. */
#define _GNU_SOURCE
#include "engine.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

#include "blob.h"
#include "tokenmgr.h"

/* Far enough ahead that no run ever refreshes. */
static const int64_t YEAR_2100 = 4102444800;

/* Twice the blob. */
static const char OPTIONS[] = "{\"max_response_bytes\":134217728}";

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
    tm_manager *tm = tm_new(target->base_url, "bench", "bench", OPTIONS, &err);
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

/* Frees the response; whether it is a 200 with at least so long a body. */
static bool accept_response(tm_response *response, size_t least, tm_error *err)
{
    if (!response)
        return report("no response", err);

    bool good = tm_response_status(response) == 200 && tm_response_body_len(response) >= least;
    if (!good)
        fprintf(stderr, "libtokenmgr: unexpected answer %d\n", (int)tm_response_status(response));
    tm_response_free(response);
    return good;
}

static bool request(void *client)
{
    tm_error *err = NULL;
    tm_response *response = tm_request(client, "GET", PRODUCTS_PATH, NULL, 0, NULL, &err);
    return accept_response(response, PRODUCTS_LEAST, err);
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

/* ---- large bodies ---- */

static bool download(void *client)
{
    tm_error *err = NULL;
    tm_response *response = tm_request(client, "GET", BLOB_PATH, NULL, 0, NULL, &err);
    return accept_response(response, BLOB_BYTES, err);
}

static bool upload(void *client)
{
    tm_error *err = NULL;
    tm_response *response = tm_request(client, "POST", SINK_PATH, blob(), BLOB_BYTES, NULL, &err);
    return accept_response(response, 1, err);
}

/* tm_request_stream, looked up by name so that a library without it can be measured too. */
typedef int64_t read_body(void *userdata, void *buffer, size_t room);
typedef int32_t rewind_body(void *userdata);
typedef int32_t write_body(void *userdata, const void *data, size_t len);
static tm_response *(*request_stream)(tm_manager *tm, const char *method, const char *url, read_body *read,
                                      rewind_body *rewind, int64_t body_len, write_body *write, void *userdata,
                                      const char *request_options_json, tm_error **err);

static int32_t count_body(void *userdata, const void *data, size_t len)
{
    (void)data;
    *(size_t *)userdata += len;
    return 1;
}

static int64_t next_piece(void *reader, void *buffer, size_t room)
{
    return (int64_t)read_blob(reader, buffer, room);
}

static bool download_streamed(void *client)
{
    size_t received = 0;
    tm_error *err = NULL;
    tm_response *response =
        request_stream(client, "GET", BLOB_PATH, NULL, NULL, 0, count_body, &received, NULL, &err);
    return accept_response(response, 0, err) && received == BLOB_BYTES;
}

static bool upload_streamed(void *client)
{
    struct blob_reader reader = {blob(), 0};
    tm_error *err = NULL;
    tm_response *response =
        request_stream(client, "POST", SINK_PATH, next_piece, NULL, (int64_t)BLOB_BYTES, NULL, &reader, NULL, &err);
    return accept_response(response, 1, err);
}

const struct transfers *transfers(void)
{
    static struct transfers all = {.download = download, .upload = upload};
    *(void **)&request_stream = dlsym(RTLD_DEFAULT, "tm_request_stream");
    if (request_stream) {
        all.download_streamed = download_streamed;
        all.upload_streamed = upload_streamed;
    }
    return &all;
}
