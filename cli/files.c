/* Reading a file whole, and writing so that a full disk does not go unnoticed. */
#include "command.h"

#include <errno.h>
#include <string.h>

bool read_whole(const char *name, struct buffer *into) {
    bool standard = strcmp(name, "-") == 0;
    FILE *file = standard ? stdin : fopen(name, "rb");
    char chunk[65536];
    size_t got;

    if (file) {
        while ((got = fread(chunk, 1, sizeof chunk, file)) > 0) buffer_add(into, chunk, got);
    }
    bool good = file && !ferror(file);
    if (!good) complain(EXIT_FILE, "cannot read %s: %s", standard ? "standard input" : name, strerror(errno));
    if (file && !standard) fclose(file);
    return good;
}

int close_output(FILE *file, const char *name) {
    bool failed = ferror(file) || fflush(file) != 0;
    int reason = errno;
    if (fclose(file) != 0 && !failed) {
        failed = true;
        reason = errno;
    }
    if (!failed) return EXIT_DONE;
    return complain_of_writing(name, reason);
}

int complain_of_writing(const char *name, int reason) {
    if (reason == EPIPE) return EXIT_FILE; /* whoever reads has had enough, as `head` has: nothing to complain about */
    return complain(EXIT_FILE, "cannot write %s: %s", strcmp(name, "-") == 0 ? "standard output" : name, strerror(reason));
}

int print_line(const char *text) {
    printf("%s\n", text);
    return close_output(stdout, "-");
}
