#include "values.h"

/* QuickJS writes half a surrogate pair as three bytes, ED A0..BF xx, which is as long as U+FFFD, so it is put right in place. Text that
 * QuickJS shares with a string of its own is ASCII and is never written to. */
static void replace_lone_surrogates(char *start, size_t length) {
    char *byte = start, *end = start + length;
    while ((byte = memchr(byte, 0xED, (size_t)(end - byte))) != NULL) {
        if (end - byte >= 3 && (uint8_t)byte[1] >= 0xA0) {
            memcpy(byte, "\xEF\xBF\xBD", 3);
        }
        byte++;
    }
}

struct text text_of(JSContext *context, JSValueConst value) {
    size_t length = 0;
    char *start = (char *)JS_ToCStringLen(context, &length, value);
    if (start != NULL) {
        replace_lone_surrogates(start, length);
    }
    return (struct text){start, length};
}

/* Whether six bytes from `byte` on are the escape of half a surrogate pair. */
static bool is_lone_escape(const char *byte) {
    return byte[1] == 'u' && (byte[2] == 'd' || byte[2] == 'D') && byte[3] != 0 && strchr("89abcdefABCDEF", byte[3]) != NULL;
}

/* What writes JSON escapes halves of pairs and nothing else above ASCII; the string is fresh, so that nobody else reads it. */
struct text json_of(JSContext *context, JSValueConst json) {
    struct text text = text_of(context, json);
    char *byte = text.start, *end = text.start + text.length;
    while (text.start != NULL && byte < end && (byte = memchr(byte, '\\', (size_t)(end - byte))) != NULL) {
        if (end - byte >= 6 && is_lone_escape(byte)) {
            memcpy(byte + 2, "fffd", 4);
        }
        byte += 2; /* the backslash and what it escapes, where the text does not end between the two */
    }
    return text;
}

void text_free(JSContext *context, struct text text) {
    JS_FreeCString(context, text.start);
}

struct text bytes_of(JSContext *context, JSValueConst value) {
    struct text bytes = {NULL, 0};
    bytes.start = (char *)JS_GetUint8Array(context, &bytes.length, value);
    if (bytes.start == NULL && !JS_HasException(context)) {
        bytes.start = ""; /* a view of nothing has no address */
    }
    return bytes;
}
