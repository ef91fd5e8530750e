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

struct client {
    int fd;
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
