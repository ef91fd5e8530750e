/* S2: after tm_free() no secret is left in this process: neither in the library's memory nor in its dependencies'. The
 * program keeps every secret masked, so that it does not find its own. */
#include "check.h"
#include <fcntl.h>

static tm_error *err = GARBAGE;

#define MASK 0xa5u
#define MOST_SECRETS 16

typedef struct {
    const char *name;
    uint8_t masked[4096];
    size_t len;
} secret;

static secret secrets[MOST_SECRETS];
static size_t kept;

static void keep(const char *name, const char *text) {
    secret *s = &secrets[kept++];
    REQUIRE(kept <= MOST_SECRETS && strlen(text) <= sizeof s->masked);
    s->name = name;
    s->len = strlen(text);
    for (size_t i = 0; i < s->len; i++) s->masked[i] = (uint8_t)((uint8_t)text[i] ^ MASK);
}

/* Not memset: what is not read again may be left as it is. */
static void wipe(void *place, size_t len) {
    volatile uint8_t *bytes = (volatile uint8_t *)place;
    for (size_t i = 0; i < len; i++) bytes[i] = 0;
}

/* ---- looking through this process's memory ------------------------------------------------------------------------ */

/* What was read; the only place that is not looked through. */
static uint8_t window[1 << 16];

/* So much of a secret in one piece is too much. */
#define PIECE 20

static bool is_at(const secret *s, size_t offset, const uint8_t *place) {
    size_t len = s->len - offset < PIECE ? s->len - offset : PIECE;
    for (size_t i = 0; i < len; i++)
        if ((place[i] ^ MASK) != s->masked[offset + i]) return false;
    return true;
}

/* Where any piece of a secret begins: at its start, and in its middle and near its end, which a signature fills. */
static void look_in_window(size_t len, uintptr_t at, const char *mapping, const char *when) {
    for (size_t n = 0; n < kept; n++) {
        secret *s = &secrets[n];
        size_t last = s->len > PIECE ? s->len - PIECE : 0;
        size_t offsets[3] = {0, last / 2, last};
        size_t needed = s->len < PIECE ? s->len : PIECE;
        for (size_t o = 0; o < 3; o++) {
            uint8_t first = s->masked[offsets[o]] ^ MASK;
            const uint8_t *end = window + len, *place = window;
            while ((size_t)(end - place) >= needed
                   && (place = (const uint8_t *)memchr(place, first, (size_t)(end - place) - needed + 1)) != NULL) {
                if (is_at(s, offsets[o], place)) {
                    check_failed(__FILE__, __LINE__, "%s: the %s is at %#" PRIxPTR " (from its byte %zu on) in %s", when,
                                 s->name, at + (uintptr_t)(place - window), offsets[o], mapping);
                    break;
                }
                place++;
            }
        }
    }
}

static void look_through(int memory, uintptr_t from, uintptr_t to, const char *mapping, const char *when) {
    while (from < to) {
        size_t len = to - from < sizeof window ? (size_t)(to - from) : sizeof window;
        ssize_t got = pread(memory, window, len, (off_t)from);
        if (got <= 0) break;
        look_in_window((size_t)got, from, mapping, when);
        if ((size_t)got <= PIECE || from + (uintptr_t)got >= to) break;
        from += (uintptr_t)got - PIECE; /* one may lie across two windows */
    }
    wipe(window, sizeof window);
}

/* Sanitizers reserve terabytes for themselves. */
#define LARGEST_MAPPING ((uintptr_t)1 << 28)

static void look_for_secrets(const char *when) {
    FILE *maps = fopen("/proc/self/maps", "r");
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    REQUIRE(maps != NULL && memory >= 0);
    char line[512], mapping[512];
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t from, to;
        char access[5] = "";
        REQUIRE(sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, access) == 3);
        if (access[1] != 'w' || to - from > LARGEST_MAPPING) continue;
        snprintf(mapping, sizeof mapping, "%.*s", (int)strcspn(line, "\n"), line);
        uintptr_t own = (uintptr_t)window;
        if (own >= from && own < to) {
            look_through(memory, from, own, mapping, when);
            look_through(memory, own + sizeof window, to, mapping, when);
        } else {
            look_through(memory, from, to, mapping, when);
        }
    }
    close(memory);
    fclose(maps);
}

/* ---- what is done before --------------------------------------------------------------------------------------- */

static void keep_tokens(tm_manager *tm, const char *access, const char *refresh) {
    tm_token *token = tm_get_token(tm, &err);
    CHECK_OK(err);
    REQUIRE(token != NULL);
    keep(access, tm_token_access(token));
    keep(refresh, tm_token_refresh(token));
    tm_token_free(token);
}

/* A manager whose secrets all come from here. */
static tm_manager *manager_with(const char *store, const char *key) {
    static char options[1024];
    static char password[32];
    snprintf(options, sizeof options, "{\"headers\":{\"X-Key\":\"%s\"}%s%s%s}", key, store, *store ? key : "",
             *store ? "\"}" : "");
    memcpy(password, PASSWORD, sizeof PASSWORD);
    tm_manager *tm = tm_new(api, USERNAME, password, options, &err);
    wipe(options, sizeof options);
    wipe(password, sizeof password);
    CHECK_OK(err);
    REQUIRE(tm != NULL);
    return tm;
}

static void leaves_no_secret(const char *store) {
    demo("{'reset':true}");
    kept = 0;
    keep("password", PASSWORD);
    char *key = tm_generate_key(&err);
    CHECK_OK(err);
    keep("key", key);
    tm_manager *tm = manager_with(store, key);
    wipe(key, strlen(key));
    tm_string_free(key);

    keep_tokens(tm, "first access token", "first refresh token");
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err);
    keep_tokens(tm, "second access token", "second refresh token");
    for (int i = 0; i < 3; i++) CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_STATUS(TM_OK, tm_login(tm, &err), err);
    keep_tokens(tm, "third access token", "third refresh token");
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    demo("{'faults':[{'route':'POST /auth/refresh','status':401}]}");
    CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err);
    keep_tokens(tm, "fourth access token", "fourth refresh token");
    CHECK_STATUS(TM_OK, tm_logout(tm, &err), err);
    tm_free(tm);
    look_for_secrets(*store ? "with a file" : "in memory");
}

/* Puts bytes of a string together, so that no copy of it is in the program itself. */
static void make_secret(char *place, size_t size, const char *what) {
    snprintf(place, size, "%s-%d-%s-of-a-dialect", what, (int)getpid(), what);
    keep(what, place);
}

/* The body of a PEM file is a secret. */
static void keep_key(const char *path) {
    char text[1024] = "";
    int file = open(path, O_RDONLY | O_CLOEXEC);
    REQUIRE(file >= 0 && read(file, text, sizeof text - 1) > 0);
    close(file);
    char *body = strchr(text, '\n');
    REQUIRE(body != NULL && strcspn(body + 1, "\n") > PIECE);
    body[1 + strcspn(body + 1, "\n")] = '\0';
    keep("private key", body + 1);
    wipe(text, sizeof text);
}

/* A dialect's own secrets: what it carries, what signs its assertions, and what its templates make of them. */
static void a_dialects_are_gone(const char *key_file) {
    demo("{'reset':true}");
    kept = 0;
    keep("password", PASSWORD);
    char shared[64], code[64], literal[64], client[64], options[2048], password[32];
    make_secret(code, sizeof code, "parameter");
    make_secret(literal, sizeof literal, "literal");
    make_secret(client, sizeof client, "field");
    if (key_file == NULL) {
        make_secret(shared, sizeof shared, "shared-key");
        snprintf(options, sizeof options, "{\"alg\":\"HS256\",\"key\":\"%s\"}", shared);
    } else {
        keep_key(key_file);
        snprintf(options, sizeof options, "{\"alg\":\"EdDSA\",\"key\":{\"file\":\"%s\"}}", key_file);
    }
    char *assertion = strdup(options);
    REQUIRE(assertion != NULL);
    snprintf(options, sizeof options,
             "{\"auth\":{\"preset\":\"popup\",\"assertion\":%s,"
             "\"login\":{\"headers\":{\"X-Key\":\"%s\",\"X-Proof\":\"{assertion}\"},\"basic\":[\"app\",\"{params.code}\"],"
             "\"json\":{\"client_secret\":\"%s\",\"digest\":\"{base64(params.code ':' password)}\"}},"
             "\"call\":{\"headers\":{\"X-Proof\":\"{assertion}\",\"X-Code\":\"{base64url(params.code)}\"}}},"
             "\"auth_params\":{\"code\":\"%s\"}}",
             assertion, literal, client, code);
    memcpy(password, PASSWORD, sizeof PASSWORD);
    tm_manager *tm = tm_new(api, USERNAME, password, options, &err);
    wipe(assertion, strlen(assertion));
    free(assertion);
    char *const mine[] = {shared, code, literal, client};
    for (size_t i = 0; i < 4; i++) wipe(mine[i], sizeof shared);
    wipe(options, sizeof options);
    wipe(password, sizeof password);
    CHECK_OK(err);
    REQUIRE(tm != NULL);

    keep_tokens(tm, "access token of a dialect", "refresh token of a dialect");
    for (int i = 0; i < 3; i++) CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err);
    demo("{'revoke':{'what':'access'}}");
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    demo("{'faults':[{'route':'POST /auth/login','status':401}]}");
    CHECK_STATUS(TM_LOGIN_REJECTED, tm_login(tm, &err), err);
    CHECK_STATUS(TM_OK, tm_logout(tm, &err), err);
    tm_free(tm);
    look_for_secrets(key_file == NULL ? "with a shared key" : "with a private key");
}

/* The search itself finds what is there. */
static void a_secret_that_is_left_is_found(void) {
    kept = 0;
    char *left = (char *)malloc(64);
    REQUIRE(left != NULL);
    snprintf(left, 64, "left-behind-%d-%s", (int)getpid(), "0123456789abcdefghij");
    keep("left", left);
    int before = failures;
    fflush(stderr);
    int saved = dup(2), nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, 2);
    look_for_secrets("as a trial");
    dup2(saved, 2);
    close(saved);
    close(nowhere);
    bool found = failures > before;
    failures = before;
    CHECK(found);
    wipe(left, 64);
    free(left);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    setvbuf(stdout, NULL, _IONBF, 0);
    a_secret_that_is_left_is_found();
    leaves_no_secret("");
    a_dialects_are_gone(NULL);
    a_dialects_are_gone("../../src/auth/tests/keys/ed25519.pkcs8.pem");

    char folder[] = "/tmp/tokenmgr-memory-XXXXXX", store[256], path[128];
    REQUIRE(mkdtemp(folder) != NULL);
    snprintf(store, sizeof store, ",\"store\":{\"type\":\"file\",\"path\":\"%s/tokens\",\"key\":\"", folder);
    leaves_no_secret(store);
    const char *names[] = {"tokens", "tokens.lock", "tokens.tmp"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    return check_end();
}
