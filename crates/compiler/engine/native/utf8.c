#include "utf8.h"

#include <string.h>

/* What stands at one place: so many bytes, which are a character, the beginning of one that the text ends in, or neither. */
struct piece {
    size_t length;
    enum { CHARACTER, UNFINISHED, WRONG } kind;
};

/* The lead byte says how many bytes follow, and narrows what the first of them may be (no overlong forms, no surrogates, nothing
 * above U+10FFFF): the table of https://encoding.spec.whatwg.org/#utf-8-decoder. */
static struct piece piece_at(const uint8_t *byte, const uint8_t *end) {
    uint8_t lead = byte[0], low = 0x80, high = 0xBF;
    size_t following;
    if (lead < 0x80) {
        return (struct piece){1, CHARACTER};
    } else if (lead >= 0xC2 && lead <= 0xDF) {
        following = 1;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        following = 2;
        low = lead == 0xE0 ? 0xA0 : low;
        high = lead == 0xED ? 0x9F : high;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        following = 3;
        low = lead == 0xF0 ? 0x90 : low;
        high = lead == 0xF4 ? 0x8F : high;
    } else {
        return (struct piece){1, WRONG};
    }
    for (size_t at = 1; at <= following; at++, low = 0x80, high = 0xBF) {
        if (byte + at == end) {
            return (struct piece){at, UNFINISHED};
        }
        if (byte[at] < low || byte[at] > high) {
            return (struct piece){at, WRONG};
        }
    }
    return (struct piece){following + 1, CHARACTER};
}

bool utf8_is_well_formed(struct text bytes) {
    const uint8_t *byte = (const uint8_t *)bytes.start, *end = byte + bytes.length;
    while (byte < end) {
        struct piece piece = piece_at(byte, end);
        if (piece.kind != CHARACTER) {
            return false;
        }
        byte += piece.length;
    }
    return true;
}

size_t utf8_unfinished(struct text bytes) {
    const uint8_t *start = (const uint8_t *)bytes.start, *end = start + bytes.length;
    for (size_t back = 1; back <= 3 && back <= bytes.length; back++) {
        if ((end[-(ptrdiff_t)back] & 0xC0) != 0x80) {
            struct piece piece = piece_at(end - back, end);
            return piece.kind == UNFINISHED && piece.length == back ? back : 0;
        }
    }
    return 0;
}

size_t utf8_repaired_bytes_max(size_t length) {
    return length * 3;
}

size_t utf8_repair(struct text bytes, char *target) {
    const uint8_t *byte = (const uint8_t *)bytes.start, *end = byte + bytes.length;
    char *next = target;
    while (byte < end) {
        struct piece piece = piece_at(byte, end);
        if (piece.kind == CHARACTER) {
            memcpy(next, byte, piece.length);
            next += piece.length;
        } else {
            memcpy(next, "\xEF\xBF\xBD", 3);
            next += 3;
        }
        byte += piece.length;
    }
    return (size_t)(next - target);
}
