/* The offline helpers read any JWT, and nothing that is not one. No manager and no network. */
#include "check.h"

#include <limits.h>

static tm_error *err = GARBAGE;

/* Writes base64url without padding and returns where it ended. */
static char *encode(char *out, const char *text, size_t len) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    int held = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | (unsigned char)text[i];
        for (held += 8; held >= 6; held -= 6)
            *out++ = alphabet[bits >> (held - 6) & 63];
    }
    if (held > 0)
        *out++ = alphabet[bits << (6 - held) & 63];
    *out = '\0';
    return out;
}

/* header.payload.signature; owned by the caller. */
static char *jwt_of(const char *payload, size_t len) {
    static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    char *token = (char *)malloc(len * 2 + 256);
    REQUIRE(token != NULL);
    char *end = encode(token, header, strlen(header));
    *end++ = '.';
    end = encode(end, payload, len);
    *end++ = '.';
    encode(end, "a signature", 11);
    return token;
}

static char *jwt(const char *format, ...) {
    char payload[512];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(payload, sizeof payload, format, arguments);
    va_end(arguments);
    REQUIRE(len >= 0 && len < (int)sizeof payload);
    return jwt_of(payload, (size_t)len);
}

static void check_useless(int line, const char *token) {
    if (!tm_jwt_is_expired(token))
        check_failed(__FILE__, line, "not expired: %.60s", token);
    if (tm_jwt_seconds_left(token) != 0)
        check_failed(__FILE__, line, "has time left: %.60s", token);
}
#define CHECK_USELESS(token) check_useless(__LINE__, token)

#define CHECK_MALFORMED(token) \
    do { \
        CHECK_USELESS(token); \
        char *payload_ = tm_jwt_payload_json(token, &err); \
        CHECK(payload_ == NULL); \
        CHECK_ERROR(err, TM_BAD_TOKEN); \
        tm_string_free(payload_); \
    } while (0)

static void reads_what_a_token_says(void) {
    long long now = (long long)time(NULL);
    char *token = jwt("{\"sub\":\"7\",\"exp\":%lld,\"name\":\"Zo\xc3\xab\"}", now + 1000);

    CHECK(!tm_jwt_is_expired(token));
    CHECK_BETWEEN(tm_jwt_seconds_left(token), 900, 1000);
    CHECK(!tm_jwt_should_refresh(token, 0));
    CHECK(!tm_jwt_should_refresh(token, 60));
    CHECK(tm_jwt_should_refresh(token, 1001));
    CHECK(tm_jwt_should_refresh(token, INT64_MAX));

    char *payload = tm_jwt_payload_json(token, &err);
    CHECK_OK(err);
    CHECK_CONTAINS(payload, "\"sub\"");
    CHECK_CONTAINS(payload, "Zo\xc3\xab");
    tm_string_free(payload);
    free(token);
}

/* RFC 7519: "on or after which the JWT must not be accepted". */
static void expires_from_exp_on(void) {
    long long now = (long long)time(NULL);
    static const long long long_ago[] = { 0, 1, 2, 60, 3600, 1000000000 };
    for (size_t i = 0; i < sizeof long_ago / sizeof *long_ago; i++) {
        char *token = jwt("{\"exp\":%lld}", now - long_ago[i]);
        CHECK_USELESS(token);
        CHECK(tm_jwt_should_refresh(token, 0));
        free(token);
    }
}

/* A NumericDate may have a fraction; a token may live for ever, or have been dead before time began. */
static void takes_every_number(void) {
    char *fraction = jwt("{\"exp\":%lld.75}", (long long)time(NULL) + 1000);
    CHECK(!tm_jwt_is_expired(fraction));
    CHECK_BETWEEN(tm_jwt_seconds_left(fraction), 900, 1001);
    free(fraction);

    char *forever = jwt("{\"exp\":%lld}", LLONG_MAX);
    CHECK(!tm_jwt_is_expired(forever));
    CHECK(tm_jwt_seconds_left(forever) > 0);
    free(forever);

    char *never = jwt("{\"exp\":%lld}", LLONG_MIN);
    CHECK_USELESS(never);
    free(never);

    char *negative = jwt("{\"exp\":-1}");
    CHECK_USELESS(negative);
    free(negative);

    char *huge = jwt("{\"exp\":1e400}"); /* no crash; what it means is anyone's guess */
    (void)tm_jwt_is_expired(huge);
    CHECK(tm_jwt_seconds_left(huge) >= 0);
    free(huge);
}

static void knows_when_there_is_no_exp(void) {
    static const char *const payloads[] = {
        "{}", "{\"sub\":\"1\"}", "{\"exp\":null}", "{\"exp\":\"soon\"}", "{\"exp\":true}", "{\"exp\":[99999999999]}",
        "{\"exp\":{\"exp\":99999999999}}", "{\"EXP\":99999999999}", "{\"nested\":{\"exp\":99999999999}}" };
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
        char *token = jwt_of(payloads[i], strlen(payloads[i]));
        CHECK_USELESS(token);
        free(token);
    }
}

static void refuses_what_is_no_token(void) {
    static const char *const texts[] = {
        "", " ", ".", "..", "...", "....", "a", "a.b", "a..c", "a.b.c", "a.b.c.d", "Bearer", "eyJhbGciOiJIUzI1NiJ9",
        "eyJhbGciOiJIUzI1NiJ9.", "eyJhbGciOiJIUzI1NiJ9..", "eyJhbGciOiJIUzI1NiJ9.e30", "..e30",
        "eyJhbGciOiJIUzI1NiJ9.not base64.c2ln", "eyJhbGciOiJIUzI1NiJ9.!!!!.c2ln", "eyJhbGciOiJIUzI1NiJ9.e.c2ln",
        "eyJhbGciOiJIUzI1NiJ9.e30\n.c2ln", "eyJhbGciOiJIUzI1NiJ9.\xc3\xa9\xc3\xa9.c2ln" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        CHECK_MALFORMED(texts[i]);

    static const char *const payloads[] = {
        "", " ", "{", "}", "{\"exp\":}", "{\"exp\":99999999999", "{\"exp\":99999999999}}", "{'exp':99999999999}",
        "<html></html>", "exp=99999999999", "{\"exp\":\"\xff\xfe\"}", "{\"exp\":0x7fffffffff}", "{\"exp\":NaN}" };
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
        char *token = jwt_of(payloads[i], strlen(payloads[i]));
        CHECK_MALFORMED(token);
        free(token);
    }

    static const char with_nul[] = "{\"exp\"\0:99999999999}";
    char *token = jwt_of(with_nul, sizeof with_nul - 1);
    CHECK_MALFORMED(token);
    free(token);
}

/* Deep nesting must not eat the stack, and length must not matter. */
static void survives_monsters(void) {
    const size_t size = 1000000;
    char *monster = (char *)malloc(size + 1);
    REQUIRE(monster != NULL);

    memset(monster, '[', size);
    char *token = jwt_of(monster, size);
    CHECK_MALFORMED(token);
    free(token);

    for (size_t i = 0; i + 5 <= size; i += 5)
        memcpy(monster + i, "{\"a\":", 5);
    token = jwt_of(monster, size);
    CHECK_MALFORMED(token);
    free(token);

    memset(monster, '.', size);
    monster[size] = '\0';
    CHECK_MALFORMED(monster);
    memset(monster, 'A', size);
    CHECK_MALFORMED(monster);
    free(monster);
}

/* Whatever happens to one byte of a token, nothing crashes. */
static void survives_every_flipped_byte(void) {
    char *token = jwt("{\"exp\":%lld}", (long long)time(NULL) + 1000);
    size_t len = strlen(token);
    for (size_t i = 0; i < len; i++) {
        char was = token[i];
        for (int byte = 1; byte < 256; byte += brief ? 37 : 1) {
            token[i] = (char)byte;
            (void)tm_jwt_is_expired(token);
            CHECK(tm_jwt_seconds_left(token) >= 0);
            tm_string_free(tm_jwt_payload_json(token, NULL));
        }
        token[i] = was;
    }
    CHECK(!tm_jwt_is_expired(token));
    free(token);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    reads_what_a_token_says();
    expires_from_exp_on();
    takes_every_number();
    knows_when_there_is_no_exp();
    refuses_what_is_no_token();
    survives_monsters();
    survives_every_flipped_byte();
    return check_end();
}
