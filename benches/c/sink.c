/* sink: an HTTP server on a free port of the loopback interface, which reads what is sent to it, discards it, and
 * answers 200. It prints its address. Requests have a Content-Length; a thread serves each connection. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}";

struct head {
    char text[16 * 1024];
    size_t len;       /* of what was read, the body's beginning included */
    size_t body_here; /* of that, the body's */
    size_t body_len;
};

static bool read_head(int connection, struct head *head);
static bool discard(int connection, size_t bytes);

static void *serve(void *userdata)
{
    int connection = (int)(intptr_t)userdata;
    struct head head;
    while (read_head(connection, &head) && discard(connection, head.body_len - head.body_here))
        if (send(connection, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL) < 0)
            break;
    close(connection);
    return NULL;
}

static bool read_head(int connection, struct head *head)
{
    char *end = NULL;
    for (head->len = 0; !end; end = strstr(head->text, "\r\n\r\n")) {
        ssize_t got = recv(connection, head->text + head->len, sizeof head->text - 1 - head->len, 0);
        if (got <= 0)
            return false;
        head->len += (size_t)got;
        head->text[head->len] = '\0';
    }
    char *length = strcasestr(head->text, "\r\nContent-Length:");
    head->body_here = head->len - (size_t)(end + 4 - head->text);
    head->body_len = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    return head->body_here <= head->body_len;
}

/* MSG_TRUNC: the kernel drops the bytes, so that the client's share of the work is what is measured. */
static bool discard(int connection, size_t bytes)
{
    while (bytes > 0) {
        ssize_t got = recv(connection, NULL, bytes, MSG_TRUNC);
        if (got <= 0)
            return false;
        bytes -= (size_t)got;
    }
    return true;
}

int main(void)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_len = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, address_len) != 0 || listen(listener, 16) != 0
        || getsockname(listener, (struct sockaddr *)&address, &address_len) != 0) {
        perror("sink");
        return EXIT_FAILURE;
    }
    printf("http://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);

    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0)
            continue;
        int on = 1;
        setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)connection) == 0)
            pthread_detach(thread);
        else
            close(connection);
    }
}
