#include "request_text.h"

#include <stdio.h>

#include "values.h"

enum { TEXT_BYTES_MIN = 256, ESCAPE_BYTES = 6 };

/* A text that grows. Once there was no memory for it, or no text to be had of a value, it has no `start` and takes nothing. */
struct writer {
    JSContext *context;
    char *start;
    size_t length;
    size_t capacity;
};

static bool make_room(struct writer *writer, size_t length) {
    if (writer->start == NULL) {
        return false;
    }
    if (writer->length + length > writer->capacity) {
        size_t capacity = 2 * writer->capacity + length;
        char *moved = js_realloc(writer->context, writer->start, capacity);
        if (moved == NULL) {
            js_free(writer->context, writer->start);
        }
        writer->start = moved;
        writer->capacity = capacity;
    }
    return writer->start != NULL;
}

static void write_bytes(struct writer *writer, const char *bytes, size_t length) {
    if (make_room(writer, length)) {
        memcpy(writer->start + writer->length, bytes, length);
        writer->length += length;
    }
}

static bool is_escaped(char byte) {
    return byte == '"' || byte == '\\' || (uint8_t)byte < 0x20;
}

/* As a string of JSON. */
static void write_string(struct writer *writer, struct text text) {
    write_bytes(writer, "\"", 1);
    const char *from = text.start, *end = text.start + text.length;
    for (const char *byte = from; byte < end; byte++) {
        if (is_escaped(*byte)) {
            char escape[ESCAPE_BYTES + 1];
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)(uint8_t)*byte);
            write_bytes(writer, from, (size_t)(byte - from));
            write_bytes(writer, escape, ESCAPE_BYTES);
            from = byte + 1;
        }
    }
    write_bytes(writer, from, (size_t)(end - from));
    write_bytes(writer, "\"", 1);
}

static void write_value(struct writer *writer, JSValueConst value) {
    struct text text = text_of(writer->context, value);
    if (text.start == NULL) {
        js_free(writer->context, writer->start);
        writer->start = NULL;
        return;
    }
    write_string(writer, text);
    text_free(writer->context, text);
}

static bool is_accept(JSContext *context, JSValueConst name) {
    struct text text = text_of(context, name);
    bool is_accept = text.start != NULL && text.length == 6 && memcmp(text.start, "accept", 6) == 0;
    text_free(context, text);
    return is_accept;
}

static void write_headers(struct writer *writer, JSValueConst headers) {
    JSContext *context = writer->context;
    int64_t count = 0;
    bool has_accept = false;
    if (!JS_IsUndefined(headers)) {
        JS_GetLength(context, headers, &count);
    }
    for (int64_t at = 0; at < count; at++) {
        JSValue pair = JS_GetPropertyInt64(context, headers, at);
        JSValue name = JS_GetPropertyUint32(context, pair, 0), value = JS_GetPropertyUint32(context, pair, 1);
        has_accept = has_accept || is_accept(context, name);
        write_bytes(writer, "[", 1);
        write_value(writer, name);
        write_bytes(writer, ",", 1);
        write_value(writer, value);
        write_bytes(writer, "],", 2);
        JS_FreeValue(context, name);
        JS_FreeValue(context, value);
        JS_FreeValue(context, pair);
    }
    if (!has_accept) {
        write_bytes(writer, "[\"accept\",\"*/*\"]", 16);
    } else if (writer->start != NULL) {
        writer->length -= 1; /* the last comma */
    }
}

struct text request_text(JSContext *context, JSValueConst url, JSValueConst method, JSValueConst redirect, JSValueConst headers) {
    struct writer writer = {context, js_malloc(context, TEXT_BYTES_MIN), 0, TEXT_BYTES_MIN};
    write_bytes(&writer, "{\"url\":", 7);
    write_value(&writer, url);
    write_bytes(&writer, ",\"method\":", 10);
    write_value(&writer, method);
    write_bytes(&writer, ",\"redirect\":", 12);
    write_value(&writer, redirect);
    write_bytes(&writer, ",\"headers\":[", 12);
    write_headers(&writer, headers);
    write_bytes(&writer, "]}", 2);
    return (struct text){writer.start, writer.start == NULL ? 0 : writer.length};
}
