/* Included before everything else (clang's -include), in every file of the engine.
 *
 * QuickJS-ng turns its check for stack overflow off when it sees `__wasi__`, because WASI says nothing about the stack. Ours is laid
 * out by our own linker flags, so the check works, and without it a deep recursion in a tool would be a trap instead of a RangeError.
 * The headers of the C library need `__wasi__`, so they are all included here first; afterwards their include guards keep them out. */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#undef __wasi__

/* How QuickJS finds out where the stack is. It sees the C stack, which is in the linear memory, and not the host's stack, on which the
 * WebAssembly functions' frames lie. The two grow at different rates: a level of nested JSON takes 16 bytes of the one and 192 of the
 * other, a call of a JavaScript function 272 and 650. Where the host's stack ends first, the guest is gone. So each function that checks
 * the stack takes these bytes of C stack more, and the check comes in time for all of them (STACK_BYTES_MAX in engine.c). */
#define STACK_BYTES_PER_CHECK 128
#define __builtin_frame_address(level) \
    ({ \
        char place[STACK_BYTES_PER_CHECK]; \
        __asm__ volatile("" : : "r"(place) : "memory"); \
        (void *)place; \
    })
