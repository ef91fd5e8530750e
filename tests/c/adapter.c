/* What callers with their own HTTP client use beside tm_copy_access_token: where a token may go, a token without any
 * waiting, and what became of it. */
#include "check.h"

static void a_url_is_judged_without_anything_being_sent(void) {
    tm_error *err = GARBAGE;
    demo("{'reset':true}");
    tm_manager *tm = new_manager("{'allowed_origins':['https://files.example.com']}");
    static const char *const allowed[] = {"/x", "/", "https://files.example.com/a?b", "HTTPS://FILES.example.com:443/"};
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        CHECK_STATUS(TM_OK, tm_check_url(tm, allowed[i], &err), err);
    static const char *const elsewhere[] = {"https://files.example.com.evil.example/", "http://files.example.com/",
                                            "https://user@files.example.com/", "https://127.0.0.1/",
                                            "https://files.example.com\\@evil.example/", "https://files.example.com/a b"};
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        CHECK_STATUS(TM_URL_NOT_ALLOWED, tm_check_url(tm, elsewhere[i], &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_check_url(tm, "//x", &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_check_url(tm, NULL, &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_check_url(NULL, "/x", &err), err);
    CHECK_COUNT("login_arrivals", 0);
    tm_free(tm);
}

static void a_token_is_copied_only_if_nothing_needs_to_be_done(void) {
    char token[8192] = "untouched", other[8192];
    tm_error *err = GARBAGE;
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    CHECK_INT(tm_try_copy_access_token(tm, token, sizeof token), 0);
    CHECK_STRING(token, "untouched");
    CHECK_COUNT("login_arrivals", 0);
    size_t length = tm_copy_access_token(tm, other, sizeof other, &err);
    CHECK_OK(err);
    CHECK_INT(tm_try_copy_access_token(tm, token, sizeof token), length);
    CHECK_STRING(token, other);
    token[0] = '\0';
    CHECK_INT(tm_try_copy_access_token(tm, token, length), length);
    CHECK_STRING(token, "");
    CHECK_INT(tm_try_copy_access_token(tm, NULL, 0), length);
    CHECK_INT(tm_try_copy_access_token(tm, NULL, 1), 0);
    CHECK_INT(tm_try_copy_access_token(NULL, token, sizeof token), 0);
    CHECK_STATUS(TM_OK, tm_reject(tm, other, &err), err);
    CHECK_INT(tm_try_copy_access_token(tm, token, sizeof token), 0);
    tm_free(tm);
}

static void revocations_of_tokens_that_worked_are_one_refresh_each(void) {
    char token[8192];
    tm_error *err = GARBAGE;
    demo("{'reset':true}");
    tm_manager *tm = new_manager(NULL);
    for (int revoked = 0; revoked < 5; revoked++) {
        CHECK(tm_copy_access_token(tm, token, sizeof token, &err) > 0);
        CHECK_OK(err);
        CHECK_COUNT("refreshes", revoked);
        CHECK_STATUS(TM_OK, tm_accept(tm, token, &err), err);
        CHECK_STATUS(TM_OK, tm_accept(tm, "of long ago", &err), err);
        CHECK_STATUS(TM_OK, tm_reject(tm, token, &err), err);
    }
    CHECK_COUNT("logins", 1);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_accept(tm, NULL, &err), err);
    CHECK_STATUS(TM_INVALID_ARGUMENT, tm_accept(NULL, token, &err), err);
    tm_free(tm);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    a_url_is_judged_without_anything_being_sent();
    a_token_is_copied_only_if_nothing_needs_to_be_done();
    revocations_of_tokens_that_worked_are_one_refresh_each();
    return check_end();
}
