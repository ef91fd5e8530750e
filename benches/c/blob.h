/* The body of an upload, for the engines: real pages, which a fresh allocation's are not. */
#ifndef TOKENMGR_BENCH_BLOB_H
#define TOKENMGR_BENCH_BLOB_H

#include <stdlib.h>
#include <string.h>

#include "engine.h"

/* What a streamed body has sent of the blob so far. */
struct blob_reader {
    const char *blob;
    size_t sent;
};

/* BLOB_BYTES, made by the first call and kept to the end of the process. */
static inline const char *blob(void)
{
    static char *bytes;
    if (!bytes) {
        bytes = malloc(BLOB_BYTES);
        memset(bytes, 'b', BLOB_BYTES);
    }
    return bytes;
}

/* The next piece, at most `room` bytes; 0 at the end. */
static inline size_t read_blob(struct blob_reader *reader, void *buffer, size_t room)
{
    size_t left = BLOB_BYTES - reader->sent;
    size_t piece = left < room ? left : room;
    memcpy(buffer, reader->blob + reader->sent, piece);
    reader->sent += piece;
    return piece;
}

#endif
