/* Uses the static library beside another one that is written in Rust. */
#include <tokenmgr.h>

#include <stdio.h>

int other_catches(int number);

int main(void) {
    tm_error *err = NULL;
    tm_manager *tm = tm_new("https://api.example", "user", "password", NULL, &err);
    int made = tm != NULL && err == NULL;
    int refused = tm_login(NULL, &err) == TM_INVALID_ARGUMENT;
    tm_error_free(err);
    tm_free(tm);
    printf("%d %d %d\n", made, refused, other_catches(7));
    return 0;
}
