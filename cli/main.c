/* tokenmgr: tokens and API calls for shell scripts, in place of curl and jq.
 *
 * A program of its own and a longer example of the library. This file reads the command line; what the commands do
 * is in tokenmgr/. Credentials come from the environment only: arguments are for everyone to see in `ps`. */
#include "command.h"

#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct command {
    const char *name;
    const char *own_options; /* the letters of `long_options` that it takes, beside -v */
    int min_args, max_args;
    int (*run)(const struct options *options, char **args);
};

static const struct command commands[] = {
    {"login", "", 0, 0, run_login},
    {"token", "b", 0, 0, run_token},
    {"request", "dHiotf", 2, 2, run_request},
    {"jwt", "qc", 0, 1, run_jwt},
    {"status", "j", 0, 0, run_status},
    {"logout", "", 0, 0, run_logout},
    {"key", "", 0, 0, run_key},
};

static const char short_options[] = ":hVvqd:H:io:f";
static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"verbose", no_argument, NULL, 'v'},
    {"bearer", no_argument, NULL, 'b'},
    {"quiet", no_argument, NULL, 'q'},
    {"check", no_argument, NULL, 'c'},
    {"json", no_argument, NULL, 'j'},
    {"data", required_argument, NULL, 'd'},
    {"header", required_argument, NULL, 'H'},
    {"include", no_argument, NULL, 'i'},
    {"output", required_argument, NULL, 'o'},
    {"timeout", required_argument, NULL, 't'},
    {"fail", no_argument, NULL, 'f'},
    {NULL, 0, NULL, 0},
};

static const struct command *find_command(const char *name) {
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    }
    return NULL;
}

static const char *long_name(char letter) {
    for (const struct option *option = long_options; option->name; option++) {
        if (option->val == letter) return option->name;
    }
    return "";
}

static bool parse_timeout(const char *text, double *seconds) {
    char *end;
    *seconds = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*seconds) && *seconds >= 0.001 && *seconds <= 1e9;
}

/* Takes one option. Returns what is wrong with its value, or NULL; the value itself may be a secret. */
static const char *take_option(struct options *options, int letter, const char *value) {
    switch (letter) {
    case 'v': options->verbosity++; break;
    case 'b': options->bearer = true; break;
    case 'q': options->quiet = true; break;
    case 'c': options->check = true; break;
    case 'j': options->json = true; break;
    case 'i': options->include = true; break;
    case 'f': options->fail = true; break;
    case 'o': options->output = value; break;
    case 'd':
        if (options->data) return "only one body can be sent, and --data was given twice";
        options->data = value;
        break;
    case 'H':
        if (!strchr(value, ':') || value[0] == ':') return "--header takes 'Name: value'";
        options->headers[options->header_count++] = value;
        break;
    case 't':
        if (!parse_timeout(value, &options->timeout)) return "--timeout takes seconds, such as 2.5";
        break;
    }
    return NULL;
}

static int refuse_option(int letter, const char *argument) {
    int length = (int)strcspn(argument, "="); /* what follows may be a secret */
    if (letter == ':') return complain(EXIT_USAGE, "--%s takes a value", long_name((char)optopt));
    if (long_name((char)optopt)[0]) return complain(EXIT_USAGE, "--%s takes no value", long_name((char)optopt));
    if (optopt) return complain(EXIT_USAGE, "unknown option: -%c", optopt);
    return complain(EXIT_USAGE, "unknown option: %.*s", length, argument);
}

/* Reads argv into options and notes in `seen` the letter of every option given. */
static int parse(int argc, char **argv, struct options *options, char *seen) {
    int letter;
    opterr = 0; /* the sentences are ours */
    while ((letter = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
        if (letter == '?' || letter == ':') return refuse_option(letter, argv[optind - 1]);
        const char *wrong = take_option(options, letter, optarg);
        if (wrong) return complain(EXIT_USAGE, "%s", wrong);
        *seen++ = (char)letter;
    }
    return EXIT_DONE;
}

static int check_usage(const struct command *command, const char *seen, int arg_count) {
    const char *name = command->name;
    for (; *seen; seen++) {
        if (*seen == 'v' || strchr(command->own_options, *seen)) continue;
        return complain(EXIT_USAGE, "'%s' takes no --%s", name, long_name(*seen));
    }
    if (arg_count < command->min_args) return complain(EXIT_USAGE, "arguments are missing for '%s'", name);
    if (arg_count > command->max_args) return complain(EXIT_USAGE, "too many arguments for '%s'", name);
    return EXIT_DONE;
}

static int point_to_help(int code, const char *command) {
    fprintf(stderr, "Try 'tokenmgr %s%s--help'.\n", command, *command ? " " : "");
    return code;
}

static int run(int argc, char **argv, struct options *options, char *seen) {
    int code = parse(argc, argv, options, seen);
    if (code != EXIT_DONE) return point_to_help(code, "");

    char **args = argv + optind;
    const char *name = args[0];
    if (strchr(seen, 'V')) {
        printf("tokenmgr %s\n", tm_version());
        return close_output(stdout, "-");
    }
    if (strchr(seen, 'h')) {
        print_help(name);
        return close_output(stdout, "-");
    }
    if (!name) return point_to_help(complain(EXIT_USAGE, "which command?"), "");
    const struct command *command = find_command(name);
    if (!command) return point_to_help(complain(EXIT_USAGE, "unknown command: %s", name), "");

    code = check_usage(command, seen, argc - optind - 1);
    return code == EXIT_DONE ? command->run(options, args + 1) : point_to_help(code, name);
}

int main(int argc, char **argv) {
    struct options options;
    memset(&options, 0, sizeof options);
    /* There are no more headers, nor options, than characters on the command line. */
    size_t most = 1;
    for (int i = 0; i < argc; i++) most += strlen(argv[i]);
    options.headers = (const char **)calloc(most, sizeof *options.headers);
    char *seen = (char *)calloc(most, 1);
    if (!options.headers || !seen) return complain(EXIT_INTERNAL, "out of memory");

    signal(SIGPIPE, SIG_IGN); /* a reader that left shows as a failed write */
    int code = run(argc, argv, &options, seen);

    free(seen);
    free(options.headers);
    die_if_signalled();
    return code;
}
