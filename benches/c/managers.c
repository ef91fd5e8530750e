/* managers COUNT: the memory of one manager among COUNT, with unlike usernames, one host, and tokens in memory. Prints
 * the KB of resident memory that each has added: as it is made, and then with its pair of tokens. */
#define _POSIX_C_SOURCE 200809L
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tokenmgr.h"

static const int64_t YEAR_2100 = 4102444800;

static void fail(const char *what, tm_error *err)
{
    fprintf(stderr, "libtokenmgr: %s: %s\n", what, tm_error_message(err));
    exit(EXIT_FAILURE);
}

static double resident_kb(void)
{
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (!statm || fscanf(statm, "%*d %ld", &pages) != 1) {
        fprintf(stderr, "/proc/self/statm cannot be read\n");
        exit(EXIT_FAILURE);
    }
    fclose(statm);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static tm_manager *make(const char *host, unsigned long number)
{
    char username[32];
    snprintf(username, sizeof username, "client-%lu", number);
    tm_error *err = NULL;
    tm_manager *tm = tm_new(host, username, "a password", NULL, &err);
    if (!tm)
        fail("tm_new", err);
    return tm;
}

static void set_tokens(tm_manager *tm, const char *token)
{
    tm_error *err = NULL;
    if (tm_set_tokens(tm, token, "bench-refresh-token", YEAR_2100, YEAR_2100, &err) != TM_OK)
        fail("tm_set_tokens", err);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: managers COUNT\n");
        return EXIT_FAILURE;
    }
    unsigned long count = parse_count(argv[1]);
    struct target target = read_target();
    tm_manager **managers = calloc(count, sizeof *managers);

    /* What the process has once, however many managers there are. */
    tm_manager *first = make(target.base_url, count);
    set_tokens(first, target.token);

    double before = resident_kb();
    for (unsigned long i = 0; i < count; i++)
        managers[i] = make(target.base_url, i);
    double made = resident_kb();
    for (unsigned long i = 0; i < count; i++)
        set_tokens(managers[i], target.token);
    double filled = resident_kb();

    printf("%.3f %.3f\n", (made - before) / (double)count, (filled - before) / (double)count);
    for (unsigned long i = 0; i < count; i++)
        tm_free(managers[i]);
    tm_free(first);
    free(managers);
    return EXIT_SUCCESS;
}
