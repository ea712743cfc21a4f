#include "plain_url.h"

#include <string.h>

enum { PORT_MAX = 65535, PORT_DIGITS_MAX = 5 };

static const struct text ABSENT = {NULL, 0};

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

static bool is_lower(char byte) {
    return byte >= 'a' && byte <= 'z';
}

static bool is_letter_or_digit(char byte) {
    return is_digit(byte) || is_lower(byte) || (byte >= 'A' && byte <= 'Z');
}

/* Whether it is a letter, a digit, or one of `more`. */
static bool is_plain(char byte, const char *more) {
    return is_letter_or_digit(byte) || (byte != 0 && strchr(more, byte) != NULL);
}

/* From `at` on, as far as the bytes are plain. */
static char *skip_plain(char *at, const char *end, const char *more) {
    while (at < end && is_plain(*at, more)) {
        at++;
    }
    return at;
}

static bool begins_with(const char *at, const char *end, const char *text, size_t length) {
    return (size_t)(end - at) >= length && memcmp(at, text, length) == 0;
}

static struct text between(char *start, const char *end) {
    return (struct text){start, (size_t)(end - start)};
}

/* Where the host ends that begins at `at`; NULL where it is none that is plain. */
static char *skip_host(char *at, const char *end) {
    char *label = at;
    for (; at < end && (is_digit(*at) || is_lower(*at) || *at == '-' || *at == '.'); at++) {
        if (*at == '.') {
            if (at == label) {
                return NULL;
            }
            label = at + 1;
        } else if (begins_with(at, end, "xn--", 4)) {
            return NULL;
        }
    }
    return at > label && is_lower(*label) ? at : NULL;
}

/* Reads the port at `at`, which is behind the colon; gives where it ends, or NULL where it is none. */
static char *read_port(char *at, const char *end, struct plain_url *parts) {
    char *start = at;
    parts->port = 0;
    for (; at < end && is_digit(*at) && at - start < PORT_DIGITS_MAX; at++) {
        parts->port = parts->port * 10 + (uint32_t)(*at - '0');
    }
    if (at == start || parts->port > PORT_MAX) {
        return NULL;
    }
    bool is_default = parts->port == (parts->scheme.length == 4 ? 80 : 443);
    parts->is_normal = !is_default && (*start != '0' || at == start + 1);
    parts->digits = is_default ? ABSENT : between(start, at);
    return at;
}

/* Whether a segment may be `.` or `..`. */
static bool has_dots(struct text path) {
    bool is_start = true;
    for (size_t at = 0; at < path.length; at++) {
        const char *byte = path.start + at;
        bool is_escape = *byte == '%' && path.length - at >= 3 && byte[1] == '2' && (byte[2] == 'e' || byte[2] == 'E');
        if (is_escape || (is_start && *byte == '.')) {
            return true;
        }
        is_start = *byte == '/';
    }
    return false;
}

bool plain_url_read(struct text url, struct plain_url *parts) {
    *parts = (struct plain_url){.is_normal = true};
    char *at = url.start;
    const char *end = url.start + url.length;
    size_t scheme_length = begins_with(at, end, "https://", 8) ? 5 : begins_with(at, end, "http://", 7) ? 4 : 0;
    if (scheme_length == 0) {
        return false;
    }
    parts->scheme = (struct text){at, scheme_length};
    char *host = at + scheme_length + 3;
    at = skip_host(host, end);
    if (at == NULL) {
        return false;
    }
    parts->host = between(host, at);
    if (at < end && *at == ':' && (at = read_port(at + 1, end, parts)) == NULL) {
        return false;
    }
    if (at < end && *at == '/') {
        char *start = at + 1;
        at = skip_plain(start, end, "!$%&'()*+,-./:;=@_~");
        parts->path = between(start, at);
    } else {
        parts->path = (struct text){"", 0};
        parts->is_normal = false;
    }
    if (at < end && *at == '?') {
        char *start = at + 1;
        at = skip_plain(start, end, "!$%&()*+,-./:;=?@_~");
        parts->query = between(start, at);
    }
    if (at < end && *at == '#') {
        char *start = at + 1;
        at = skip_plain(start, end, "!$%&'()*+,-./:;=?@_~");
        parts->fragment = between(start, at);
    }
    return at == end && !has_dots(parts->path);
}
