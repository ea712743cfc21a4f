/* What the C library would ask of an operating system. There is none: the clock is the host's, time is UTC, and files do not exist.
 * These definitions come before the library's own at link time, so that the engine imports nothing but `toolwright:tool/host`. */
#include "engine.h"
#include "host.h"

static const uint64_t MICROSECONDS_PER_SECOND = 1000000;

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    uint64_t now = host_now();
    time->tv_sec = (time_t)(now / MICROSECONDS_PER_SECOND);
    time->tv_usec = (suseconds_t)(now % MICROSECONDS_PER_SECOND);
    return 0;
}

/* Every clock is the wall clock: a call lives for seconds, and the host has one clock to offer. */
int clock_gettime(clockid_t clock, struct timespec *time) {
    (void)clock;
    uint64_t now = host_now();
    time->tv_sec = (time_t)(now / MICROSECONDS_PER_SECOND);
    time->tv_nsec = (long)(now % MICROSECONDS_PER_SECOND) * 1000;
    return 0;
}

/* QuickJS asks only for the offset from UTC, which is zero. */
struct tm *localtime_r(const time_t *restrict time, struct tm *restrict parts) {
    (void)time;
    memset(parts, 0, sizeof *parts);
    return parts;
}

bool memory_grows = true;

enum { PAGE_BYTES = 64 * 1024 };

/* How `malloc` gets more memory. */
void *sbrk(intptr_t bytes) {
    if (bytes == 0) {
        return (void *)(__builtin_wasm_memory_size(0) * PAGE_BYTES);
    }
    size_t pages = memory_grows && bytes > 0 ? __builtin_wasm_memory_grow(0, (size_t)bytes / PAGE_BYTES) : SIZE_MAX;
    if (pages == SIZE_MAX) {
        errno = ENOMEM;
        return (void *)-1;
    }
    return (void *)(pages * PAGE_BYTES);
}

_Noreturn void abort(void) {
    __builtin_trap();
}

/* `printf` to a stream is linked in by QuickJS's debugging output, which nothing calls. 8 is WASI's `badf`. */
enum { NO_SUCH_FILE = 8 };

int32_t __imported_wasi_snapshot_preview1_fd_close(int32_t file) {
    (void)file;
    return NO_SUCH_FILE;
}

int32_t __imported_wasi_snapshot_preview1_fd_fdstat_get(int32_t file, int32_t result) {
    (void)file, (void)result;
    return NO_SUCH_FILE;
}

int32_t __imported_wasi_snapshot_preview1_fd_seek(int32_t file, int64_t offset, int32_t whence, int32_t result) {
    (void)file, (void)offset, (void)whence, (void)result;
    return NO_SUCH_FILE;
}

int32_t __imported_wasi_snapshot_preview1_fd_write(int32_t file, int32_t parts, int32_t count, int32_t result) {
    (void)file, (void)parts, (void)count, (void)result;
    return NO_SUCH_FILE;
}
