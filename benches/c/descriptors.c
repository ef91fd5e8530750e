/* descriptors ENGINE: how many file descriptors a client holds: once opened, before any call; and for the connection
 * that its first call has left. Prints both numbers. */
#define _POSIX_C_SOURCE 200809L
#include "harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static int open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    if (!folder) {
        perror("/proc/self/fd");
        exit(EXIT_FAILURE);
    }
    int count = 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: descriptors ENGINE\n");
        return EXIT_FAILURE;
    }
    struct target target = read_target();
    int before = open_descriptors();
    const struct engine *engine = load_engine(argv[1], &target);
    void *client = open_client(engine, &target);
    int idle = open_descriptors();
    if (!engine->request(client))
        return EXIT_FAILURE;
    int kept = open_descriptors();
    engine->close(client);
    printf("%d %d\n", idle - before, kept - idle);
    return EXIT_SUCCESS;
}
