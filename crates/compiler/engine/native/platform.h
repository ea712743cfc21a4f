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
