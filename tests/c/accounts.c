/* A worker that has far more accounts than descriptors: the registry of persistent managers is bounded, and what ends
 * comes back by a login or from its store. */
#include "check.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define DESCRIPTORS 1024
#define KEPT 64 /* unless the option max_persistent says otherwise */

static tm_error *err = GARBAGE;
static char folder[] = "/tmp/tokenmgr-accounts-XXXXXX";

static int files(void) { return entries("/proc/self/fd"); }

/* ---- a clock that can be put forward ------------------------------------------------------------ */

static long seconds_ahead;

/* The library's, too: the program's own definition comes first. Lifetimes and idle times go by the coarse clock. */
int clock_gettime(clockid_t clock, struct timespec *now) {
    long result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && clock == CLOCK_MONOTONIC_COARSE)
        now->tv_sec += seconds_ahead;
    return (int)result;
}

/* ---- accounts ------------------------------------------------------------------------------------ */

static const char *name_of(int account) {
    static char name[32];
    snprintf(name, sizeof name, "account-%d", account);
    return name;
}

static void make_accounts(int many) {
    demo("{'reset':true}");
    for (int account = 0; account < many; account++) {
        char document[128];
        snprintf(document, sizeof document, "{'accounts':[{'username':'%s','password':'%s'}]}", name_of(account), PASSWORD);
        demo(document);
    }
}

static tm_manager *manager_of(int account, const char *options) {
    return new_manager_as(name_of(account), PASSWORD, options);
}

/* As a request to a worker: a manager is made, used and freed. */
static void serve(int account, const char *options) {
    tm_manager *tm = manager_of(account, options);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    tm_free(tm);
}

/* What earlier tests have left in the registry ends. */
static void empty_registry(void) {
    tm_free(new_manager_as("nobody", PASSWORD, "{'persistent':true,'max_persistent':0}"));
}

/* ---- the tests ----------------------------------------------------------------------------------- */

static void a_thousand_accounts_in_one_worker(void) {
    int many = brief ? KEPT + 10 : 1000;
    make_accounts(many);
    int before = files();
    for (int account = 0; account < many; account++)
        serve(account, "{'persistent':true}");
    CHECK_COUNT("logins", many);
    CHECK_INT(files(), before + KEPT);

    for (int account = many - KEPT; account < many; account++)
        serve(account, "{'persistent':true}");
    CHECK_COUNT("logins", many); /* the last ones are all there */
    serve(0, "{'persistent':true}");
    CHECK_COUNT("logins", many + 1); /* the first one had ended */
    serve(many - KEPT, "{'persistent':true}");
    CHECK_COUNT("logins", many + 2); /* and made way for it the one that was used longest ago */
    serve(many - 1, "{'persistent':true}");
    CHECK_COUNT("logins", many + 2);
    CHECK_INT(files(), before + KEPT);
    empty_registry();
    CHECK_INT(files(), before);
}

static void those_in_use_never_end(void) {
    enum { MANY = 10 };
    static const char two[] = "{'persistent':true,'max_persistent':2}";
    tm_manager *in_use[MANY];
    make_accounts(MANY + 2);
    int before = files();
    for (int i = 0; i < MANY; i++) {
        in_use[i] = manager_of(i, two);
        CHECK_INT(get(in_use[i], "/api/v1/products"), 200);
    }
    serve(MANY, two); /* works, and ends with its only manager: there is no room for an idle one */
    CHECK_INT(files(), before + MANY);
    for (int i = 0; i < MANY; i++)
        CHECK_INT(get(in_use[i], "/api/v1/products"), 200);
    CHECK_COUNT("logins", MANY + 1);

    tm_manager *joins = manager_of(0, two);
    CHECK_INT(get(joins, "/api/v1/products"), 200);
    CHECK_COUNT("logins", MANY + 1);
    for (int i = 0; i < MANY; i++)
        tm_free(in_use[i]);
    CHECK_INT(files(), before + 2);
    /* The account that has a manager left is one of the two; the other is the one that was freed last. */
    CHECK_INT(get(joins, "/api/v1/products"), 200);
    serve(MANY - 1, two);
    CHECK_COUNT("logins", MANY + 1);
    tm_free(joins);

    /* One in use, though it was used longest ago, stays; the idle one goes. */
    tm_manager *oldest = manager_of(0, two);
    serve(1, two);
    serve(2, two);
    CHECK_INT(get(oldest, "/api/v1/products"), 200);
    CHECK_COUNT("logins", MANY + 3);
    tm_free(oldest);
    empty_registry();
    CHECK_INT(files(), before);
}

/* Another username: the handle moves, and holds the new instance in place of the old one. */
static void a_handle_that_moves_lets_go(void) {
    static const char none[] = "{'persistent':true,'max_persistent':0}";
    make_accounts(2);
    int before = files();
    tm_manager *tm = manager_of(0, none);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_INT(files(), before + 1);
    CHECK_STATUS(TM_OK, tm_set_credentials(tm, "account-1", PASSWORD, &err), err);
    CHECK_INT(files(), before);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    serve(1, none);
    CHECK_COUNT("logins", 2); /* it was shared: the one that is in use does not end */
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_COUNT("logins", 2);
    tm_free(tm);
    CHECK_INT(files(), before);
}

/* A child has a registry of its own, and its handles count there. */
static void a_forked_child_counts_its_own(void) {
    static const char none[] = "{'persistent':true,'max_persistent':0}";
    make_accounts(1);
    tm_manager *tm = manager_of(0, none);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        CHECK_INT(get(tm, "/api/v1/products"), 200);
        int before = files();
        serve(0, none); /* shares the child's instance, which stays */
        CHECK_INT(files(), before);
        tm_free(tm);
        CHECK_INT(files(), before - 1);
        _exit(check_end());
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_COUNT("logins", 1);
    tm_free(tm);
}

/* T2, T3: a refresh token that only the ended instance knew is never sent; one in the store is sent once. */
static void what_ends_comes_back_from_its_store_or_by_a_login(void) {
    char options[512];
    char *key = tm_generate_key(&err);
    CHECK_OK(err);
    make_accounts(3);
    snprintf(options, sizeof options, "{'persistent':true,'max_persistent':1,'store':{'type':'file','path':'%s/{client_id}','key':'%s'}}",
             folder, key);
    for (int account = 0; account < 3; account++)
        serve(account, options);
    CHECK_COUNT("logins", 3);
    for (int account = 0; account < 3; account++) {
        tm_manager *tm = manager_of(account, options);
        CHECK_INT(get(tm, "/api/v1/products"), 200);
        CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err);
        tm_free(tm);
        serve((account + 1) % 3, options);
        serve(account, options);
    }
    CHECK_COUNT("logins", 3);
    CHECK_COUNT("refreshes", 3);
    CHECK_COUNT("max_arrivals_of_one_refresh_token", 1);

    make_accounts(2);
    for (int round = 0; round < 3; round++) {
        for (int account = 0; account < 2; account++) {
            tm_manager *tm = manager_of(account, "{'persistent':true,'max_persistent':1}");
            CHECK_INT(get(tm, "/api/v1/products"), 200);
            CHECK_STATUS(TM_OK, tm_refresh(tm, &err), err);
            tm_free(tm);
        }
    }
    CHECK_COUNT("logins", 6);
    CHECK_COUNT("refreshes", 6);
    CHECK_COUNT("max_arrivals_of_one_refresh_token", 1);
    CHECK_COUNT("reuse", 0);
    tm_string_free(key);
    empty_registry();
}

/* The store is away when the pair comes, so that only the ended instance knew it: a login, when it is back. */
static void a_private_pair_ends_with_its_instance(void) {
    char options[512], here[128], away[128];
    char *key = tm_generate_key(&err);
    CHECK_OK(err);
    make_accounts(2);
    snprintf(here, sizeof here, "%s/here", folder);
    snprintf(away, sizeof away, "%s/away", folder);
    snprintf(options, sizeof options, "{'persistent':true,'max_persistent':1,'store':{'type':'file','path':'%s/{client_id}','key':'%s'}}",
             here, key);
    REQUIRE(mkdir(here, 0700) == 0);
    serve(0, options);
    CHECK_COUNT("logins", 1);
    REQUIRE(rename(here, away) == 0);
    tm_manager *tm = manager_of(0, options);
    demo("{'revoke':{'what':'access'}}");
    CHECK_INT(get(tm, "/api/v1/products"), 200);
    CHECK_COUNT("logins", 2);
    tm_free(tm);
    serve(1, "{'persistent':true,'max_persistent':1}"); /* it ends */
    REQUIRE(rename(away, here) == 0);
    serve(0, options);
    CHECK_COUNT("reuse", 0);
    CHECK_BETWEEN(demo_count("max_arrivals_of_one_refresh_token"), 0, 1);
    tm_string_free(key);
    empty_registry();
}

/* The next call, on any manager, closes what idled for a minute on all. */
static void idle_connections_of_all_end_after_a_minute(void) {
    enum { MANY = 5 };
    tm_manager *idle[MANY];
    make_accounts(MANY + 3);
    int before = files();
    for (int i = 0; i < MANY; i++) {
        idle[i] = manager_of(i, i % 2 ? "{'persistent':true}" : NULL);
        CHECK_INT(get(idle[i], "/api/v1/products"), 200);
    }
    serve(MANY, "{'persistent':true}"); /* its manager is gone, and it idles in the registry */
    CHECK_INT(files(), before + MANY + 1);
    tm_manager *caller = manager_of(MANY + 1, NULL);
    seconds_ahead += 50;
    CHECK_INT(get(caller, "/api/v1/products"), 200);
    CHECK_INT(files(), before + MANY + 2);
    seconds_ahead += 11;
    CHECK_INT(get(caller, "/api/v1/products"), 200);
    CHECK_INT(files(), before + 1);
    for (int i = 0; i < MANY; i++) {
        CHECK_INT(get(idle[i], "/api/v1/products"), 200);
        tm_free(idle[i]);
    }
    CHECK_COUNT("logins", MANY + 2);
    tm_free(caller);
    empty_registry();
    CHECK_INT(files(), before);
}

int main(int argc, char **argv) {
    check_begin(argc, argv);
    struct rlimit few;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &few) == 0);
    few.rlim_cur = DESCRIPTORS;
    REQUIRE(brief || setrlimit(RLIMIT_NOFILE, &few) == 0); /* Valgrind has a limit of its own */
    REQUIRE(mkdtemp(folder) != NULL);
    make_accounts(1);
    serve(0, NULL); /* what the process opens once is open */
    a_thousand_accounts_in_one_worker();
    those_in_use_never_end();
    a_handle_that_moves_lets_go();
    if (!brief) /* a child leaks what it inherits, on purpose: see forks.valgrind */
        a_forked_child_counts_its_own();
    what_ends_comes_back_from_its_store_or_by_a_login();
    a_private_pair_ends_with_its_instance();
    idle_connections_of_all_end_after_a_minute();

    char remove[64];
    snprintf(remove, sizeof remove, "rm -rf %s", folder);
    CHECK_INT(system(remove), 0);
    return check_end();
}
