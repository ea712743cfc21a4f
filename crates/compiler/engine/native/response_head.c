#include "response_head.h"

/* Members of the head, and where its list of headers stands. */
enum { MEMBERS = 7, HEADERS = 6 };

struct reader {
    JSContext *context;
    const char *at;
    const char *end;
};

static bool skip(struct reader *reader, const char *expected, size_t length) {
    bool is_there = (size_t)(reader->end - reader->at) >= length && memcmp(reader->at, expected, length) == 0;
    reader->at += is_there ? length : 0;
    return is_there;
}

static JSValue read_string(struct reader *reader) {
    const char *start = reader->at + 1;
    const char *quote = memchr(start, '"', (size_t)(reader->end - start));
    if (quote == NULL) {
        return JS_UNDEFINED;
    }
    reader->at = quote + 1;
    return JS_NewStringLen(reader->context, start, (size_t)(quote - start));
}

static JSValue read_number(struct reader *reader) {
    uint64_t number = 0;
    for (; reader->at < reader->end && isdigit((uint8_t)*reader->at) && number <= UINT32_MAX; reader->at++) {
        number = number * 10 + (uint64_t)(*reader->at - '0');
    }
    return number > UINT32_MAX ? JS_UNDEFINED : JS_NewUint32(reader->context, (uint32_t)number);
}

/* A string, a whole number, `true`, `false` or `null`; undefined for anything else. */
static JSValue read_plain(struct reader *reader) {
    if (reader->at == reader->end) {
        return JS_UNDEFINED;
    }
    switch (*reader->at) {
    case '"':
        return read_string(reader);
    case 't':
        return skip(reader, "true", 4) ? JS_TRUE : JS_UNDEFINED;
    case 'f':
        return skip(reader, "false", 5) ? JS_FALSE : JS_UNDEFINED;
    case 'n':
        return skip(reader, "null", 4) ? JS_NULL : JS_UNDEFINED;
    default:
        return isdigit((uint8_t)*reader->at) ? read_number(reader) : JS_UNDEFINED;
    }
}

/* Plain values with commas between them, `count_max` at most: how many, or -1 where there is something else among them. Those that were
 * read are there either way. */
static int read_values(struct reader *reader, JSValue *values, int count_max, int *count) {
    for (*count = 0; *count < count_max; ++*count) {
        if (*count > 0 && !skip(reader, ",", 1)) {
            return *count;
        }
        JSValue value = read_plain(reader);
        if (JS_IsUndefined(value) || JS_IsException(value)) {
            return -1;
        }
        values[*count] = value;
    }
    return *count;
}

static void free_values(JSContext *context, JSValue *values, int count) {
    for (int at = 0; at < count; at++) {
        JS_FreeValue(context, values[at]);
    }
}

/* As many values as a list that begins here can have. */
static size_t values_max(const struct reader *reader) {
    size_t count = 1;
    for (const char *byte = reader->at; byte < reader->end; byte++) {
        count += *byte == ',';
    }
    return count;
}

/* A list of plain values. */
static JSValue read_list(struct reader *reader) {
    JSContext *context = reader->context;
    if (!skip(reader, "[", 1)) {
        return JS_UNDEFINED;
    }
    if (skip(reader, "]", 1)) {
        return JS_NewArray(context);
    }
    size_t room = values_max(reader);
    JSValue *values = js_malloc(context, room * sizeof *values);
    if (values == NULL) {
        return JS_EXCEPTION;
    }
    int count = 0;
    bool is_whole = read_values(reader, values, (int)room, &count) > 0 && skip(reader, "]", 1);
    JSValue list = JS_UNDEFINED;
    if (is_whole) {
        list = JS_NewArrayFrom(context, count, values);
    } else {
        free_values(context, values, count);
    }
    js_free(context, values);
    return list;
}

JSValue response_head_read(JSContext *context, struct text text) {
    struct reader reader = {context, text.start, text.start + text.length};
    if (memchr(text.start, '\\', text.length) != NULL || !skip(&reader, "[", 1)) {
        return JS_UNDEFINED;
    }
    JSValue members[MEMBERS];
    int count = 0;
    bool is_head = read_values(&reader, members, HEADERS, &count) == HEADERS && skip(&reader, ",", 1);
    JSValue headers = is_head ? read_list(&reader) : JS_UNDEFINED;
    is_head = JS_IsArray(headers) && skip(&reader, "]", 1) && reader.at == reader.end;
    if (is_head) {
        members[HEADERS] = headers;
        return JS_NewArrayFrom(context, MEMBERS, members);
    }
    bool has_thrown = JS_HasException(context);
    JS_FreeValue(context, headers);
    free_values(context, members, count);
    return has_thrown ? JS_EXCEPTION : JS_UNDEFINED;
}
