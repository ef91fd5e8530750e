/* What the parts of the tokenmgr command share. */
#ifndef TOKENMGR_COMMAND_H
#define TOKENMGR_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>
#include <tokenmgr.h>

/* Scripts branch on these: a number is never given a new meaning. `tokenmgr --help` and the man page explain them. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_EXPIRED = 1,
    EXIT_USAGE = 2,
    EXIT_CREDENTIALS = 3,
    EXIT_FORBIDDEN = 4,
    EXIT_NETWORK = 5,
    EXIT_RATE_LIMITED = 6,
    EXIT_SERVER = 7,
    EXIT_CLIENT_ERROR = 8,
    EXIT_STORE = 9,
    EXIT_BAD_TOKEN = 10,
    EXIT_FILE = 11,
    EXIT_INTERNAL = 12
};

struct options {
    int verbosity;        /* -v: the library's log up to info; -vv: debug too */
    bool bearer;          /* token --bearer */
    bool quiet;           /* jwt -q */
    bool check;           /* jwt --check */
    bool json;            /* status --json */
    bool include;         /* request -i */
    bool fail;            /* request -f */
    const char *data;     /* request -d: the body itself, or "@file", or "@-" */
    const char *output;   /* request -o */
    double timeout;       /* request --timeout, in seconds; 0: not given */
    const char **headers; /* request -H, as many as header_count */
    size_t header_count;
};

/* The commands (tokens.c, request.c). Each returns the exit code. args: what is left of the command line, ending in NULL. */
int run_login(const struct options *options, char **args);
int run_token(const struct options *options, char **args);
int run_request(const struct options *options, char **args);
int run_jwt(const struct options *options, char **args);
int run_status(const struct options *options, char **args);
int run_logout(const struct options *options, char **args);
int run_key(const struct options *options, char **args);

/* help.c: prints the page of one command, or of the whole where it is NULL. */
void print_help(const char *command);

/* session.c: a manager with the settings of the environment, that logs as -v asks and ends its calls on Ctrl-C.
 * NULL: it has already said why, and *code is the exit code. */
tm_manager *open_manager(const struct options *options, int *code);
/* The same for commands that need a token. Where the store that TOKENMGR_OPTIONS names cannot be used, it says so and
 * takes the user's own, or each command would log in anew until that store is back. */
tm_manager *open_manager_for_token(const struct options *options, int *code);
/* Says on stderr why a call failed, and returns the exit code for it. The second one frees the error too. */
int report(const tm_error *error);
int report_and_free(tm_error *error);
int complain(int code, const char *format, ...);
/* Where a signal ended the call, the process has to die of that signal, or a shell's loop around it would go on. */
void die_if_signalled(void);

/* state.c: the options of TOKENMGR_OPTIONS, with a store of the user's own where they name none, so that one command
 * finds what the one before it got. Where that cannot be, it says so on stderr, and the tokens stay in memory. */
struct buffer;
void add_options(struct buffer *into);
/* The same, but with the user's own store also where they name one. False: they name none, or there can be none. */
bool add_options_with_own_store(struct buffer *into);

/* buffer.c: bytes that grow. Out of memory ends the process with EXIT_INTERNAL. */
struct buffer {
    char *data; /* len bytes, then a NUL that is not counted */
    size_t len;
    size_t capacity;
};
struct buffer buffer_new(void);
void buffer_free(struct buffer *buffer);
void buffer_add(struct buffer *buffer, const void *data, size_t len);
void buffer_add_text(struct buffer *buffer, const char *text);
void buffer_add_json_string(struct buffer *buffer, const char *text, size_t len);

/* files.c: name "-" is standard input or output. Each says on stderr what went wrong. */
bool read_whole(const char *name, struct buffer *into);
/* The disk may be full or the reader gone, and only the flush tells. */
int close_output(FILE *file, const char *name);
/* Says why the file could not be written, and returns the exit code. */
int complain_of_writing(const char *name, int reason);
int print_line(const char *text);

/* upload.c: a body to send, which need not fit in memory. The functions with userdata are the library's callbacks. */
struct upload {
    const char *name;     /* "-": standard input; NULL: the body is no file */
    int file;             /* -1: all of the body is in `head` */
    struct buffer head;   /* what comes before the rest of the file */
    size_t sent;          /* of `head` */
    off_t start;          /* where in the file the body begins, if it can be rewound */
    bool can_rewind;
    int64_t length;       /* -1: unknown */
    int error;            /* the errno of what ended the call, or 0 */
};
/* data: as for --data, or NULL. Says on stderr what went wrong. */
bool upload_open(struct upload *upload, const char *data);
void upload_close(struct upload *upload);
int64_t upload_read(void *upload, void *into, size_t len);
int32_t upload_rewind(void *upload);
int upload_complain(const struct upload *upload);

/* output.c: where an answer goes. A file gets its name when it is complete. */
struct output {
    const char *name; /* "-": standard output */
    FILE *file;       /* NULL: not open yet, or no more */
    char *path, *part; /* the file to be, and what it is called until then; NULL where it is written to directly */
    int error;        /* the errno of what went wrong, or 0 */
};
bool output_open(struct output *output);
bool output_write(struct output *output, const void *data, size_t len);
/* Returns the exit code. */
int output_finish(struct output *output);
/* Leaves nothing of what was not finished. */
void output_close(struct output *output);

#endif
