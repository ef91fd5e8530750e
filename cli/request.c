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

/* The answer's HTTP version and reason phrase are not known here, and a script needs neither. */
static void write_head(FILE *out, const tm_response *response) {
    fprintf(out, "HTTP %d\n", (int)tm_response_status(response));
    for (size_t i = 0; i < tm_response_header_count(response); i++) {
        fprintf(out, "%s: %s\n", tm_response_header_name(response, i), tm_response_header_value(response, i));
    }
    fputc('\n', out);
}

/* What the callbacks of one request work on. */
struct transfer {
    struct upload upload;
    struct output output;
};

static int64_t read_body(void *transfer, void *into, size_t len) {
    return upload_read(&((struct transfer *)transfer)->upload, into, len);
}

static int32_t rewind_body(void *transfer) {
    return upload_rewind(&((struct transfer *)transfer)->upload);
}

static int32_t write_body(void *transfer, const void *data, size_t len) {
    struct output *output = &((struct transfer *)transfer)->output;
    return output_open(output) && output_write(output, data, len);
}

/* Writes the answer, or what is left of it where the body has been written as it arrived. */
static int deliver(const tm_response *response, struct output *output, const struct options *options) {
    const tm_error *refused = tm_response_error(response);
    if (refused && options->fail) return report(refused);

    if (!output_open(output)) return complain_of_writing(output->name, output->error);
    if (options->include) write_head(output->file, response);
    output_write(output, tm_response_body(response), tm_response_body_len(response));
    return output_finish(output);
}

static int send_request(tm_manager *tm, struct transfer *transfer, const struct options *options, char **args) {
    struct upload *upload = &transfer->upload;
    /* The head comes before the body, and is known after it. */
    bool is_streamed = options->output && !options->include;
    struct buffer json = request_options(options);
    tm_error *err = NULL;
    tm_response *response = tm_request_stream(tm, args[0], args[1],
                                              upload->length == 0 ? NULL : read_body,
                                              upload->can_rewind ? rewind_body : NULL, upload->length,
                                              is_streamed ? write_body : NULL, transfer, json.data, &err);
    buffer_free(&json);

    int code;
    if (response) code = deliver(response, &transfer->output, options);
    else if (upload->error) code = upload_complain(upload);
    else if (transfer->output.error) code = complain_of_writing(transfer->output.name, transfer->output.error);
    else code = report(err);
    tm_error_free(err);
    tm_response_free(response);
    return code;
}

int run_request(const struct options *options, char **args) {
    struct transfer transfer;
    memset(&transfer, 0, sizeof transfer);
    transfer.output.name = options->output ? options->output : "-";
    if (!upload_open(&transfer.upload, options->data)) return EXIT_FILE;

    int code;
    tm_manager *tm = open_manager_for_token(options, &code);
    if (tm) {
        code = send_request(tm, &transfer, options, args);
        tm_free(tm);
    }
    output_close(&transfer.output);
    upload_close(&transfer.upload);
    return code;
}
