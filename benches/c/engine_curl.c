/* libcurl as its documentation advises: one easy handle per thread, reused for every call. */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "blob.h"

struct client {
    CURL *curl;
    struct curl_slist *headers;
    const char *base_url;
    size_t body_len;
    char body[64 * 1024];
    char *large_body; /* of a download, while it runs */
    size_t large_body_room;
};

static size_t keep_body(char *data, size_t size, size_t count, void *userdata)
{
    struct client *client = userdata;
    size_t len = size * count;
    if (len > sizeof client->body - client->body_len)
        return 0;
    memcpy(client->body + client->body_len, data, len);
    client->body_len += len;
    return len;
}

static bool perform(struct client *client, size_t least)
{
    client->body_len = 0;
    CURLcode code = curl_easy_perform(client->curl);
    if (code != CURLE_OK) {
        fprintf(stderr, "libcurl: %s\n", curl_easy_strerror(code));
        return false;
    }
    long status = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200 || client->body_len < least) {
        fprintf(stderr, "libcurl: unexpected answer %ld\n", status);
        return false;
    }
    return true;
}

static void set_url(struct client *client, const char *path)
{
    char url[128];
    snprintf(url, sizeof url, "%s%s", client->base_url, path);
    curl_easy_setopt(client->curl, CURLOPT_URL, url); /* copied */
}

/* The answer's token is the one that the server is known to give: reading it costs libcurl nothing here. */
static bool login(struct client *client)
{
    set_url(client, LOGIN_PATH);
    struct curl_slist *json = curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, json);
    curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, LOGIN_BODY);
    bool done = perform(client, PRODUCTS_LEAST);
    curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
    curl_slist_free_all(json);
    return done;
}

static void close_handle(void *userdata)
{
    struct client *client = userdata;
    curl_easy_cleanup(client->curl);
    curl_slist_free_all(client->headers);
    free(client);
    curl_global_cleanup();
}

static void *open_handle(const struct target *target)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct client *client = calloc(1, sizeof *client);
    client->curl = curl_easy_init();
    client->base_url = target->base_url;
    curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, 30000L);
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, keep_body);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, client);
    if (target->bundle)
        curl_easy_setopt(client->curl, CURLOPT_CAINFO, target->bundle);

    if (target->login && !login(client)) {
        close_handle(client);
        return NULL;
    }

    char authorization[4096];
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", target->token);
    client->headers = curl_slist_append(NULL, authorization);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers);
    set_url(client, PRODUCTS_PATH);
    return client;
}

static bool request(void *client)
{
    return perform(client, PRODUCTS_LEAST);
}

const struct engine engine = {
    .shared = false,
    .tls = true,
    .open = open_handle,
    .request = request,
    .close = close_handle,
};

/* ---- large bodies: a process makes one kind of call only, so no option is ever set back ---- */

/* As libcurl's own example keeps a body in memory, but that the room doubles. */
static size_t keep_large_body(char *data, size_t size, size_t count, void *userdata)
{
    struct client *client = userdata;
    size_t len = size * count;
    if (client->body_len + len > client->large_body_room) {
        client->large_body_room = 2 * (client->large_body_room + len);
        client->large_body = realloc(client->large_body, client->large_body_room);
    }
    memcpy(client->large_body + client->body_len, data, len);
    client->body_len += len;
    return len;
}

static size_t count_body(char *data, size_t size, size_t count, void *userdata)
{
    (void)data;
    ((struct client *)userdata)->body_len += size * count;
    return size * count;
}

static size_t next_piece(char *buffer, size_t size, size_t count, void *reader)
{
    return read_blob(reader, buffer, size * count);
}

/* The largest buffer that it takes: with its own of 16 KB it is slower. */
static bool download_into(void *userdata, curl_write_callback write)
{
    struct client *client = userdata;
    set_url(client, BLOB_PATH);
    curl_easy_setopt(client->curl, CURLOPT_BUFFERSIZE, (long)CURL_MAX_READ_SIZE);
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, write);
    return perform(client, BLOB_BYTES);
}

static bool download(void *userdata)
{
    struct client *client = userdata;
    bool done = download_into(client, keep_large_body);
    free(client->large_body);
    client->large_body = NULL;
    client->large_body_room = 0;
    return done;
}

static bool download_streamed(void *client)
{
    return download_into(client, count_body);
}

/* Once a process. Without "Expect:" it waits for the server's word before a large body. */
static void prepare_upload(struct client *client)
{
    static bool prepared;
    if (prepared)
        return;
    prepared = true;
    client->headers = curl_slist_append(client->headers, "Expect:");
    client->headers = curl_slist_append(client->headers, "Content-Type: application/json");
    set_url(client, SINK_PATH);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers);
    curl_easy_setopt(client->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(client->curl, CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
    curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)BLOB_BYTES);
}

static bool upload(void *userdata)
{
    struct client *client = userdata;
    prepare_upload(client);
    curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, blob());
    return perform(client, 1);
}

static bool upload_streamed(void *userdata)
{
    struct client *client = userdata;
    struct blob_reader reader = {blob(), 0};
    prepare_upload(client);
    curl_easy_setopt(client->curl, CURLOPT_READFUNCTION, next_piece);
    curl_easy_setopt(client->curl, CURLOPT_READDATA, &reader);
    return perform(client, 1);
}

const struct transfers *transfers(void)
{
    static const struct transfers all = {
        .download = download,
        .upload = upload,
        .download_streamed = download_streamed,
        .upload_streamed = upload_streamed,
    };
    return &all;
}
