/* UTF-8 as the Encoding Standard reads it (https://encoding.spec.whatwg.org/#utf-8-decoder). */
#ifndef TOOLWRIGHT_UTF8_H
#define TOOLWRIGHT_UTF8_H

#include "abi.h"

#include <stdbool.h>

/* Whether all of `bytes` is well formed. */
bool utf8_is_well_formed(struct text bytes);

/* How many bytes at the end are the beginning of a character whose rest has not come yet: 0 to 3. */
size_t utf8_unfinished(struct text bytes);

/* The most bytes that `utf8_repair` writes for so many. */
size_t utf8_repaired_bytes_max(size_t length);

/* Copies `bytes` to `target` with U+FFFD for each maximal part that is not a character, and gives the length. */
size_t utf8_repair(struct text bytes, char *target);

#endif
