/* JavaScript's texts and bytes as the host has them. */
#ifndef TOOLWRIGHT_VALUES_H
#define TOOLWRIGHT_VALUES_H

#include "engine.h"

/* `value` as UTF-8 that is always well formed: half a surrogate pair becomes U+FFFD, because the host refuses anything else. `start` is
 * NULL where JavaScript threw. To be given back by `text_free`. */
struct text text_of(JSContext *context, JSValueConst value);

void text_free(JSContext *context, struct text text);

/* The same for a text of JSON that was just made: half a surrogate pair is an escape there, which becomes that of U+FFFD, because other
 * readers of JSON refuse it. */
struct text json_of(JSContext *context, JSValueConst json);

/* The bytes that `value`, a Uint8Array, looks at. `start` is NULL where it is something else (and JavaScript threw). */
struct text bytes_of(JSContext *context, JSValueConst value);

#endif
