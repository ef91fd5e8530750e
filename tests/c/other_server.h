/* A second server beside the demo API: it gives one fixed answer, byte for byte, and keeps what it was sent. */
#ifndef OTHER_SERVER_H
#define OTHER_SERVER_H

#include "check.h"

struct other_server {
    int listener;
    char origin[64]; /* http://127.0.0.1:PORT */
    int port;
    const char *answer; /* the whole of it, status line included */
    size_t answer_len;
    char request[16384]; /* the head of the latest */
    long arrivals;       /* connections, whether or not anything was sent on them */
    pthread_t thread;
};

static inline void *other_server_main(void *argument) {
    struct other_server *server = (struct other_server *)argument;
    for (int peer; (peer = accept(server->listener, NULL, NULL)) >= 0; close(peer)) {
        size_t len = 0;
        ssize_t got;
        add(&server->arrivals, 1);
        do {
            got = recv(peer, server->request + len, sizeof server->request - 1 - len, 0);
            len += got > 0 ? (size_t)got : 0;
            server->request[len] = '\0';
        } while (got > 0 && strstr(server->request, "\r\n\r\n") == NULL);
        if (server->answer_len > 0)
            send(peer, server->answer, server->answer_len, MSG_NOSIGNAL);
    }
    return NULL;
}

static inline struct other_server *other_server_start(const char *answer, size_t answer_len) {
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    struct other_server *server = (struct other_server *)calloc(1, sizeof *server);
    REQUIRE(server != NULL);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->answer = answer;
    server->answer_len = answer_len;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(bind(server->listener, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(listen(server->listener, 16) == 0);
    REQUIRE(getsockname(server->listener, (struct sockaddr *)&address, &size) == 0);
    server->port = ntohs(address.sin_port);
    snprintf(server->origin, sizeof server->origin, "http://127.0.0.1:%d", server->port);
    REQUIRE(pthread_create(&server->thread, NULL, other_server_main, server) == 0);
    return server;
}

/* After this `arrivals` and `request` say all there is to say; then free it. */
static inline void other_server_stop(struct other_server *server) {
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
}

#endif
