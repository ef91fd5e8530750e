/* Bytes that grow, and JSON strings in them. */
#include "command.h"

#include <stdlib.h>
#include <string.h>

static void grow(struct buffer *buffer, size_t needed) {
    size_t capacity = buffer->capacity < 256 ? 256 : buffer->capacity;
    while (capacity < needed && capacity <= (size_t)-1 / 2) capacity *= 2;
    char *data = capacity < needed ? NULL : (char *)realloc(buffer->data, capacity);
    if (!data) exit(complain(EXIT_INTERNAL, "out of memory"));
    buffer->data = data;
    buffer->capacity = capacity;
}

struct buffer buffer_new(void) {
    struct buffer buffer = {NULL, 0, 0};
    grow(&buffer, 1);
    buffer.data[0] = '\0';
    return buffer;
}

void buffer_free(struct buffer *buffer) {
    free(buffer->data);
    buffer->data = NULL;
}

void buffer_add(struct buffer *buffer, const void *data, size_t len) {
    if (len >= buffer->capacity - buffer->len) grow(buffer, buffer->len + len + 1);
    memcpy(buffer->data + buffer->len, data, len);
    buffer->len += len;
    buffer->data[buffer->len] = '\0';
}

void buffer_add_text(struct buffer *buffer, const char *text) {
    buffer_add(buffer, text, strlen(text));
}

/* Escapes what JSON wants escaped and leaves every other byte alone: UTF-8 stays as it is, and what is not UTF-8 the
 * library refuses. */
void buffer_add_json_string(struct buffer *buffer, const char *text, size_t len) {
    buffer_add_text(buffer, "\"");
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '"' || byte == '\\') {
            char escaped[2] = {'\\', (char)byte};
            buffer_add(buffer, escaped, 2);
        } else if (byte < 0x20) {
            char escaped[8];
            snprintf(escaped, sizeof escaped, "\\u%04x", byte);
            buffer_add_text(buffer, escaped);
        } else {
            buffer_add(buffer, text + i, 1);
        }
    }
    buffer_add_text(buffer, "\"");
}
