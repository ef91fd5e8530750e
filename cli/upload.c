/* The body of a request: the text itself, a file, or standard input. */
#define _POSIX_C_SOURCE 200809L
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* So much of a pipe is read before the request, which then is sent with its size, and sent again where it has to be. */
static const size_t most_before = 1 << 20;

static void close_file(struct upload *upload) {
    if (upload->file > STDIN_FILENO) close(upload->file);
    upload->file = -1;
}

/* Whether the file is one whose size is known, and that can be read again. Some in /proc have the size 0, but are not
 * empty. */
static bool is_measured(struct upload *upload) {
    struct stat status;
    if (fstat(upload->file, &status) != 0 || !S_ISREG(status.st_mode)) return false;
    upload->start = lseek(upload->file, 0, SEEK_CUR);
    if (upload->start < 0 || status.st_size <= upload->start) return false;
    upload->length = status.st_size - upload->start;
    upload->can_rewind = true;
    return true;
}

/* Reads what is no measured file into `head`: all of it, or the beginning of what is too large. */
static bool read_head(struct upload *upload) {
    char piece[65536];
    while (upload->head.len < most_before) {
        ssize_t got = read(upload->file, piece, sizeof piece);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            upload->error = errno;
            return false;
        }
        if (got == 0) {
            close_file(upload);
            upload->length = (int64_t)upload->head.len;
            upload->can_rewind = true;
            return true;
        }
        buffer_add(&upload->head, piece, (size_t)got);
    }
    upload->length = -1;
    return true;
}

bool upload_open(struct upload *upload, const char *data) {
    memset(upload, 0, sizeof *upload);
    upload->file = -1;
    upload->head = buffer_new();
    if (!data || data[0] != '@') {
        if (data) buffer_add_text(&upload->head, data);
        upload->length = (int64_t)upload->head.len;
        upload->can_rewind = true;
        return true;
    }
    upload->name = data + 1;
    upload->file = strcmp(upload->name, "-") == 0 ? STDIN_FILENO : open(upload->name, O_RDONLY | O_CLOEXEC);
    if (upload->file < 0) upload->error = errno;
    else if (is_measured(upload) || read_head(upload)) return true;
    upload_complain(upload);
    upload_close(upload);
    return false;
}

void upload_close(struct upload *upload) {
    close_file(upload);
    buffer_free(&upload->head);
}

int64_t upload_read(void *userdata, void *into, size_t len) {
    struct upload *upload = (struct upload *)userdata;
    size_t left = upload->head.len - upload->sent;
    if (left > 0) {
        if (left > len) left = len;
        memcpy(into, upload->head.data + upload->sent, left);
        upload->sent += left;
        return (int64_t)left;
    }
    if (upload->file < 0) return 0;
    ssize_t got = read(upload->file, into, len);
    if (got < 0 && errno != EINTR) upload->error = errno; /* EINTR: a signal that ends the program */
    return got;
}

int32_t upload_rewind(void *userdata) {
    struct upload *upload = (struct upload *)userdata;
    if (!upload->can_rewind) return 0;
    upload->sent = 0;
    return upload->file < 0 || lseek(upload->file, upload->start, SEEK_SET) == upload->start;
}

int upload_complain(const struct upload *upload) {
    const char *name = strcmp(upload->name, "-") == 0 ? "standard input" : upload->name;
    return complain(EXIT_FILE, "cannot read %s: %s", name, strerror(upload->error));
}
