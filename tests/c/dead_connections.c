/* Connections that died while nobody looked: calls go on over new ones, and no SIGPIPE, which writing to a dead one
 * raises unless one sees to it, ends the process. */
#include "check.h"

static tm_error *err = GARBAGE;

/* A server that answers, or says nonsense, and lets go of its connection just when it is told to: first in order,
 * then by force. Whoever writes after that gets the signal. */
static struct {
    int listener;
    char authority[32];
    const char *says;
    pthread_t thread;
    pthread_barrier_t let_go, gone;
    long connected; /* how often */
} server;

static void *serve(void *unused) {
    static const struct linger by_force = { 1, 0 };
    char request[16384];
    (void)unused;
    for (int peer; (peer = accept(server.listener, NULL, NULL)) >= 0;) {
        REQUIRE(recv(peer, request, sizeof request, 0) > 0);
        bool answers = strncmp(server.says, "HTTP/", 5) == 0;
        if (answers)
            send(peer, server.says, strlen(server.says), MSG_NOSIGNAL);
        add(&server.connected, 1);
        pthread_barrier_wait(&server.let_go);
        if (!answers)
            send(peer, server.says, strlen(server.says), MSG_NOSIGNAL);
        shutdown(peer, SHUT_WR);
        setsockopt(peer, SOL_SOCKET, SO_LINGER, &by_force, sizeof by_force);
        close(peer);
        pthread_barrier_wait(&server.gone);
    }
    return NULL;
}

static void start_server(const char *says) {
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.says = says;
    server.connected = 0;
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(bind(server.listener, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(listen(server.listener, 16) == 0);
    REQUIRE(getsockname(server.listener, (struct sockaddr *)&address, &size) == 0);
    snprintf(server.authority, sizeof server.authority, "127.0.0.1:%d", ntohs(address.sin_port));
    pthread_barrier_init(&server.let_go, NULL, 2);
    pthread_barrier_init(&server.gone, NULL, 2);
    REQUIRE(pthread_create(&server.thread, NULL, serve, NULL) == 0);
}

static void let_go(void) {
    pthread_barrier_wait(&server.let_go);
    pthread_barrier_wait(&server.gone);
}

static void stop_server(void) {
    shutdown(server.listener, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.listener);
    pthread_barrier_destroy(&server.let_go);
    pthread_barrier_destroy(&server.gone);
}

/* Between two calls. */
static void a_kept_connection_may_die(void) {
    char options[128], url[64];
    demo("{'reset':true}");
    start_server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    snprintf(options, sizeof options, "{'allowed_origins':['http://%s']}", server.authority);
    snprintf(url, sizeof url, "http://%s/", server.authority);
    tm_manager *tm = new_manager(options);
    for (int i = 0; i < 5; i++) {
        CHECK_INT(get(tm, url), 200);
        let_go();
    }
    tm_free(tm);
    stop_server();
}

/* While a TLS handshake waits for its answer: the interrupt callback is where this thread can be halted. */
static int32_t let_go_once(void *done) {
    if (!*(bool *)done && count(&server.connected) > 0) {
        *(bool *)done = true;
        let_go();
    }
    return 0;
}

static void a_handshake_may_be_cut_off(void) {
    char host[64];
    bool done = false;
    start_server("nothing like a handshake");
    snprintf(host, sizeof host, "https://%s", server.authority);
    tm_manager *tm = tm_new(host, USERNAME, PASSWORD, NULL, &err);
    CHECK_OK(err);
    CHECK_STATUS(TM_OK, tm_set_interrupt_callback(tm, let_go_once, &done, &err), err);
    CHECK_NULL(TM_TLS, tm_get_token(tm, &err), err);
    tm_free(tm);
    stop_server();
}

static tm_response *post(tm_manager *tm) {
    return tm_request(tm, "POST", "/api/v1/echo", "{}", 2, "{\"idempotent\":true}", &err);
}

/* As servers do with those who idle for too long, and as they do when they are started anew. */
static void servers_close_and_cut(void) {
    static const char *const ways[] = { "{'reset':true,'idle_close_ms':0}", "{'reset':true,'announce_close':true}" };
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
        demo(ways[way]);
        tm_manager *tm = new_manager(NULL);
        for (int i = 0; i < (brief ? 5 : 50); i++) {
            CHECK_INT(get(tm, "/api/v1/products"), 200);
            tm_response *response = post(tm);
            CHECK_OK(err);
            CHECK_INT(tm_response_status(response), 200);
            tm_response_free(response);
            if (i % 5 == 4)
                demo("{'cut_connections':true}");
        }
        CHECK_COUNT("logins", 1);
        tm_free(tm);
    }
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    a_kept_connection_may_die();
    a_handshake_may_be_cut_off();
    servers_close_and_cut();
    return check_end();
}
