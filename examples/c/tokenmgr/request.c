/* tokenmgr request METHOD URL: one API call with a good token. */
#define _POSIX_C_SOURCE 200809L
#include "command.h"

#include <string.h>
#include <strings.h>

static size_t name_length(const char *header) {
    return strcspn(header, ":");
}

static bool same_name(const char *a, const char *b) {
    return name_length(a) == name_length(b) && strncasecmp(a, b, name_length(a)) == 0;
}

/* A name stands once in a JSON object, so the values of a header that was given repeatedly go into one array. */
static void add_header_values(struct buffer *json, const struct options *options, const char *name) {
    const char *separator = "[";
    for (size_t i = 0; i < options->header_count; i++) {
        const char *header = options->headers[i];
        if (!same_name(header, name)) continue;
        const char *value = header + name_length(header) + 1;
        value += strspn(value, " \t");
        buffer_add_text(json, separator);
        buffer_add_json_string(json, value, strlen(value));
        separator = ",";
    }
    buffer_add_text(json, "]");
}

static bool stood_before(const struct options *options, size_t index) {
    for (size_t i = 0; i < index; i++) {
        if (same_name(options->headers[i], options->headers[index])) return true;
    }
    return false;
}

static struct buffer request_options(const struct options *options) {
    struct buffer json = buffer_new();
    const char *separator = "";

    buffer_add_text(&json, "{\"headers\":{");
    for (size_t i = 0; i < options->header_count; i++) {
        const char *header = options->headers[i];
        if (stood_before(options, i)) continue;
        buffer_add_text(&json, separator);
        buffer_add_json_string(&json, header, name_length(header));
        buffer_add_text(&json, ":");
        add_header_values(&json, options, header);
        separator = ",";
    }
    buffer_add_text(&json, "}");
    if (options->timeout > 0) {
        char field[48];
        snprintf(field, sizeof field, ",\"timeout_ms\":%.0f", options->timeout * 1000);
        buffer_add_text(&json, field);
    }
    buffer_add_text(&json, "}");
    return json;
}

static bool read_body(const char *data, struct buffer *body) {
    if (data[0] == '@') return read_whole(data + 1, body);
    buffer_add_text(body, data);
    return true;
}

/* The answer's HTTP version and reason phrase are not known here, and a script needs neither. */
static void write_head(FILE *out, const tm_response *response) {
    fprintf(out, "HTTP %d\n", (int)tm_response_status(response));
    for (size_t i = 0; i < tm_response_header_count(response); i++) {
        fprintf(out, "%s: %s\n", tm_response_header_name(response, i), tm_response_header_value(response, i));
    }
    fputc('\n', out);
}

static int deliver(const tm_response *response, const struct options *options) {
    const tm_error *refused = tm_response_error(response);
    if (refused && options->fail) return report(refused);

    const char *name = options->output ? options->output : "-";
    FILE *out = open_output(name);
    if (!out) return EXIT_FILE;
    if (options->include) write_head(out, response);
    fwrite(tm_response_body(response), 1, tm_response_body_len(response), out);
    return close_output(out, name);
}

int run_request(const struct options *options, char **args) {
    struct buffer body = buffer_new();
    struct buffer json = request_options(options);
    int code = EXIT_FILE;

    if (!options->data || read_body(options->data, &body)) {
        tm_manager *tm = open_manager(options, &code);
        if (tm) {
            tm_error *err = NULL;
            tm_response *response =
                tm_request(tm, args[0], args[1], options->data ? body.data : NULL, body.len, json.data, &err);
            code = response ? deliver(response, options) : report_and_free(err);
            tm_response_free(response);
            tm_free(tm);
        }
    }
    buffer_free(&json);
    buffer_free(&body);
    return code;
}
