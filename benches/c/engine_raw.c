/* A bare socket that sends one prepared request and reads one answer: the floor that no client gets under. */
#define _POSIX_C_SOURCE 200809L
#include "engine.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "blob.h"

enum { PIECE = 256 * 1024 };

struct client {
    int fd;
    const char *host;
    const char *token;
    size_t request_len;
    char request[4096];
    char answer[64 * 1024];
};

static bool report(const char *what)
{
    fprintf(stderr, "raw socket: %s\n", what);
    return false;
}

static int dial(unsigned short port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static bool exchange(struct client *client, const char *request, size_t request_len)
{
    /* One request fits the socket's buffer: a short write is a fault. */
    if (write(client->fd, request, request_len) != (ssize_t)request_len)
        return report("write");

    size_t have = 0, whole = 0;
    do {
        ssize_t got = read(client->fd, client->answer + have, sizeof client->answer - 1 - have);
        if (got <= 0)
            return report("the answer is cut short or too long");
        have += (size_t)got;
        client->answer[have] = '\0';

        const char *head_end = strstr(client->answer, "\r\n\r\n");
        const char *length = strstr(client->answer, "Content-Length: ");
        if (head_end && length)
            whole = (size_t)(head_end + 4 - client->answer) + strtoul(length + 16, NULL, 10);
    } while (whole == 0 || have < whole);

    if (strncmp(client->answer, "HTTP/1.1 200", 12) != 0 || whole < PRODUCTS_LEAST)
        return report("unexpected answer");
    return true;
}

static bool login(struct client *client, const char *host)
{
    char request[512];
    int len = snprintf(request, sizeof request,
                       "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       LOGIN_PATH, host, strlen(LOGIN_BODY), LOGIN_BODY);
    return exchange(client, request, (size_t)len);
}

static void close_socket(void *userdata)
{
    struct client *client = userdata;
    close(client->fd);
    free(client);
}

static void *open_socket(const struct target *target)
{
    const char *host = strstr(target->base_url, "//") + 2;
    int fd = dial((unsigned short)atoi(strchr(host, ':') + 1));
    if (fd < 0) {
        report("connect");
        return NULL;
    }
    struct client *client = calloc(1, sizeof *client);
    client->fd = fd;
    client->host = host;
    client->token = target->token;
    client->request_len = (size_t)snprintf(client->request, sizeof client->request,
                                           "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n",
                                           PRODUCTS_PATH, host, target->token);
    if (target->login && !login(client, host)) {
        close_socket(client);
        return NULL;
    }
    return client;
}

static bool request(void *userdata)
{
    struct client *client = userdata;
    return exchange(client, client->request, client->request_len);
}

const struct engine engine = {
    .shared = false,
    .tls = false,
    .open = open_socket,
    .request = request,
    .close = close_socket,
};

/* ---- large bodies ---- */

static bool send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return report("send");
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* The head of a request; the body, if it has one, is sent after it. */
static bool send_head(const struct client *client, const char *method, const char *path, size_t body_len)
{
    char head[4096];
    int len = snprintf(head, sizeof head,
                       "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n",
                       method, path, client->host, client->token, body_len);
    return send_all(client->fd, head, (size_t)len);
}

/* Reads the head and what came with it. Gives the number of the body's bytes that stand at `*beginning`. */
static bool read_head(struct client *client, const char **beginning, size_t *here)
{
    size_t have = 0;
    char *end = NULL;
    while (!end) {
        ssize_t got = read(client->fd, client->answer + have, sizeof client->answer - 1 - have);
        if (got <= 0)
            return report("the answer is cut short");
        have += (size_t)got;
        client->answer[have] = '\0';
        end = strstr(client->answer, "\r\n\r\n");
    }
    *beginning = end + 4;
    *here = have - (size_t)(*beginning - client->answer);
    return strncmp(client->answer, "HTTP/1.1 200", 12) == 0 || report("unexpected answer");
}

static bool download(void *userdata)
{
    struct client *client = userdata;
    const char *beginning;
    size_t have;
    if (!send_head(client, "GET", BLOB_PATH, 0) || !read_head(client, &beginning, &have))
        return false;
    char *body = malloc(BLOB_BYTES);
    memcpy(body, beginning, have);
    while (have < BLOB_BYTES) {
        ssize_t got = read(client->fd, body + have, BLOB_BYTES - have);
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    free(body);
    return have == BLOB_BYTES || report("the body is cut short");
}

static bool download_streamed(void *userdata)
{
    struct client *client = userdata;
    static char piece[PIECE];
    const char *beginning;
    size_t have;
    if (!send_head(client, "GET", BLOB_PATH, 0) || !read_head(client, &beginning, &have))
        return false;
    while (have < BLOB_BYTES) {
        ssize_t got = read(client->fd, piece, sizeof piece);
        if (got <= 0)
            return report("the body is cut short");
        have += (size_t)got;
    }
    return true;
}

static bool upload(void *userdata)
{
    struct client *client = userdata;
    const char *beginning;
    size_t here;
    return send_head(client, "POST", SINK_PATH, BLOB_BYTES) && send_all(client->fd, blob(), BLOB_BYTES)
        && read_head(client, &beginning, &here);
}

static bool upload_streamed(void *userdata)
{
    struct client *client = userdata;
    static char piece[PIECE];
    struct blob_reader reader = {blob(), 0};
    if (!send_head(client, "POST", SINK_PATH, BLOB_BYTES))
        return false;
    for (size_t len; (len = read_blob(&reader, piece, sizeof piece)) > 0;)
        if (!send_all(client->fd, piece, len))
            return false;
    const char *beginning;
    size_t here;
    return read_head(client, &beginning, &here);
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
