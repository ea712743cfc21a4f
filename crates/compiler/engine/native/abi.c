#include "abi.h"

#include <stdlib.h>
#include <string.h>

/* The host asks for memory here before it writes a text or a list.
 *
 * One byte more is taken than was asked for: `JS_ParseJSON` and `JS_Eval` want a zero after the text, and so it can be put there
 * without copying the text. Memory of no bytes is the alignment itself, a pointer that is never freed. */
EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_size, size_t alignment, size_t new_size) {
    if (new_size == 0) {
        return (void *)alignment;
    }
    void *block = realloc(old_size == 0 ? NULL : old, new_size + 1);
    if (block == NULL || new_size + 1 == 0) {
        __builtin_trap();
    }
    return block;
}

void abi_free(struct text text) {
    if (text.length != 0) {
        free(text.start);
    }
}
