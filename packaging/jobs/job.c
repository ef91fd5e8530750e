/* What every installed package has to do, in C: log in, call, refresh, share a file store, and survive a fork.
 * Usage: job FOLDER */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <tokenmgr.h>
#include <unistd.h>

static void require(int holds, const char *what, tm_error *err) {
    if (holds) return;
    fprintf(stderr, "job: %s: %s\n", what, err ? tm_error_message(err) : "not so");
    exit(1);
}

static void call(tm_manager *tm) {
    tm_error *err = NULL;
    tm_response *response = tm_request(tm, "GET", "/api/v1/products", NULL, 0, NULL, &err);
    require(response != NULL && tm_response_status(response) == 200, "call", err);
    tm_response_free(response);
}

static void token(tm_manager *tm, char *into, size_t size) {
    tm_error *err = NULL;
    require(tm_copy_access_token(tm, into, size, &err) > 0, "token", err);
}

int main(int argc, char **argv) {
    char options[512], first[4096], second[4096];
    tm_error *err = NULL;
    require(argc == 2, "usage", NULL);
    snprintf(options, sizeof options,
             "{\"store\":{\"type\":\"file\",\"path\":\"%s/tokens\",\"key\":{\"file\":\"%s/key\"}}}", argv[1], argv[1]);
    tm_manager *tm = tm_new(NULL, NULL, NULL, options, &err);
    require(tm != NULL, "new", err);
    call(tm);
    token(tm, first, sizeof first);
    require(tm_refresh(tm, &err) == TM_OK, "refresh", err);
    token(tm, second, sizeof second);
    require(strcmp(first, second) != 0, "another token", NULL);
    pid_t child = fork();
    if (child == 0) {
        call(tm);
        _exit(0);
    }
    int status = 1;
    require(waitpid(child, &status, 0) == child && status == 0, "fork", NULL);
    tm_manager *other = tm_new(NULL, NULL, NULL, options, &err);
    require(other != NULL, "second manager", err);
    call(other);
    token(other, first, sizeof first);
    require(strcmp(first, second) == 0, "the shared token", NULL);
    tm_free(other);
    tm_free(tm);
    printf("job done by libtokenmgr %s\n", tm_version());
    return 0;
}
