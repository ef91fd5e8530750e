/* Where an answer goes: standard output, or a file. The file is written under another name beside its own, which it gets
 * when it is complete: a transfer that fails leaves nothing, and what was there before. */
#define _XOPEN_SOURCE 700
#include "command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static mode_t mode_of_new_files(void) {
    mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

/* Opens a file in the folder of `path`, with the mode that `path` has or would get. */
static FILE *open_part(struct output *output, const char *path, mode_t mode) {
    const char *slash = strrchr(path, '/');
    struct buffer part = buffer_new();
    buffer_add(&part, path, slash ? (size_t)(slash + 1 - path) : 0);
    buffer_add_text(&part, ".tokenmgr-XXXXXX");

    int number = mkstemp(part.data);
    if (number < 0) {
        buffer_free(&part);
        return NULL;
    }
    FILE *file = fchmod(number, mode) == 0 ? fdopen(number, "wb") : NULL;
    if (file) {
        output->part = part.data;
        return file;
    }
    int reason = errno;
    close(number);
    unlink(part.data);
    buffer_free(&part);
    errno = reason;
    return NULL;
}

static FILE *open_file(struct output *output) {
    struct stat status;
    bool exists = stat(output->name, &status) == 0;
    /* A device and a pipe are not to be replaced. */
    if (exists && !S_ISREG(status.st_mode)) return fopen(output->name, "wb");
    if (exists && access(output->name, W_OK) != 0) return NULL;

    struct buffer path = buffer_new();
    char *real = exists ? realpath(output->name, NULL) : NULL; /* what a symbolic link points to */
    buffer_add_text(&path, real ? real : output->name);
    free(real);
    output->path = path.data;
    FILE *file = open_part(output, path.data, exists ? status.st_mode & 0777 : mode_of_new_files());
    /* The file may be writable where its folder is not. */
    if (!file && exists && (errno == EACCES || errno == EROFS)) file = fopen(output->name, "wb");
    return file;
}

bool output_open(struct output *output) {
    if (output->file) return true;
    output->file = strcmp(output->name, "-") == 0 ? stdout : open_file(output);
    if (!output->file) output->error = errno;
    return output->file != NULL;
}

bool output_write(struct output *output, const void *data, size_t len) {
    bool good = len == 0 || fwrite(data, 1, len, output->file) == len;
    /* Whoever reads standard output is to see what has arrived. */
    if (good && output->file == stdout) good = fflush(stdout) == 0;
    if (!good && errno != EINTR) output->error = errno; /* EINTR: a signal that ends the program */
    return good;
}

int output_finish(struct output *output) {
    int code = close_output(output->file, output->name);
    output->file = NULL;
    if (code != EXIT_DONE || !output->part) return code;
    if (rename(output->part, output->path) != 0) return complain_of_writing(output->name, errno);
    free(output->part);
    output->part = NULL;
    return EXIT_DONE;
}

void output_close(struct output *output) {
    if (output->file && output->file != stdout) fclose(output->file);
    output->file = NULL;
    if (output->part) unlink(output->part);
    free(output->part);
    free(output->path);
    output->part = output->path = NULL;
}
