#include "engine.h"

#include <malloc.h>

struct engine engine;

/* The linker's name for the first byte after the stack and the static data. */
extern unsigned char __heap_base;

enum {
    /* A quarter of the C stack (build.sh: 1 MiB). QuickJS's own C functions check before they recurse; the rest of the stack is for
     * what does not check, and for the WebAssembly stack of the host, which fills faster than this one. */
    STACK_BYTES_MAX = 256 * 1024,
    /* Held back from JavaScript: texts on their way from and to the host, and the report of an error after memory ran out. */
    RESERVE_BYTES_MIN = 256 * 1024,
    /* And this part of the whole, because memory is fragmented sooner or later. */
    RESERVE_FRACTION = 16,
    /* A call makes this much before the first collection of cycles. A collection touches every object of the snapshot, which costs a
     * fresh instance a page fault for each page of it, and most calls are over long before. */
    BYTES_BEFORE_COLLECTION = 4 * 1024 * 1024,
};

/* Memory that was used in a phase that ends in a snapshot is cleared when it is freed: zeros are left out of a snapshot. */
static void clear_before_snapshot(void *block) {
    if (engine.phase != PHASE_RUN && block != NULL) {
        memset(block, 0, malloc_usable_size(block));
    }
}

static void *allocate(void *opaque, size_t size) {
    (void)opaque;
    return malloc(size);
}

static void *allocate_cleared(void *opaque, size_t count, size_t size) {
    (void)opaque;
    return calloc(count, size);
}

static void release(void *opaque, void *block) {
    (void)opaque;
    clear_before_snapshot(block);
    free(block);
}

static void *resize(void *opaque, void *block, size_t size) {
    if (engine.phase == PHASE_RUN || block == NULL) {
        return realloc(block, size);
    }
    size_t old_size = malloc_usable_size(block);
    if (size <= old_size && old_size - size < old_size / 2) {
        return block;
    }
    void *moved = malloc(size);
    if (moved != NULL) {
        memcpy(moved, block, old_size < size ? old_size : size);
        release(opaque, block);
    }
    return moved;
}

static size_t usable_size(const void *block) {
    return malloc_usable_size((void *)block);
}

static const JSMallocFunctions MEMORY = {
    .js_calloc = allocate_cleared,
    .js_malloc = allocate,
    .js_free = release,
    .js_realloc = resize,
    .js_malloc_usable_size = usable_size,
};

/* What JavaScript may use of the linear memory, and what of that is held back. */
struct allowance {
    size_t bytes;
    size_t reserve;
};

static struct allowance memory_allowance(void) {
    uint64_t granted = host_memory_limit();
    uint64_t heap_start = (uintptr_t)&__heap_base;
    size_t bytes = granted > UINT32_MAX ? UINT32_MAX - (size_t)heap_start : granted > heap_start ? (size_t)(granted - heap_start) : 1;
    size_t fraction = bytes / RESERVE_FRACTION;
    return (struct allowance){bytes, fraction > RESERVE_BYTES_MIN ? fraction : RESERVE_BYTES_MIN};
}

void engine_create(void) {
    engine.runtime = JS_NewRuntime2(&MEMORY, NULL);
    if (engine.runtime == NULL) {
        __builtin_trap();
    }
    JS_SetMaxStackSize(engine.runtime, STACK_BYTES_MAX);
    JSContext *context = JS_NewContextRaw(engine.runtime);
    /* All that `JS_NewContext` adds but `performance`, whose origin would be the moment of the snapshot: the prelude has its own. */
    if (context == NULL || JS_AddIntrinsicBaseObjects(context) || JS_AddIntrinsicDate(context) || JS_AddIntrinsicEval(context) ||
        JS_AddIntrinsicRegExp(context) || JS_AddIntrinsicJSON(context) || JS_AddIntrinsicProxy(context) ||
        JS_AddIntrinsicMapSet(context) || JS_AddIntrinsicTypedArrays(context) || JS_AddIntrinsicPromise(context) ||
        JS_AddIntrinsicWeakRef(context) || JS_AddIntrinsicAToB(context)) {
        __builtin_trap();
    }
    engine.context = context;
    engine.then = JS_NewAtom(context, "then");
}

void engine_enter(void) {
    JS_UpdateStackTop(engine.runtime);
    struct allowance allowance = memory_allowance();
    /* Zero would mean no limit. */
    JS_SetMemoryLimit(engine.runtime, allowance.bytes > allowance.reserve ? allowance.bytes - allowance.reserve : 1);
}

void engine_use_reserve(void) {
    JS_SetMemoryLimit(engine.runtime, memory_allowance().bytes);
}

void engine_settle_down(enum phase phase) {
    JS_RunGC(engine.runtime);
    JSMemoryUsage usage;
    JS_ComputeMemoryUsage(engine.runtime, &usage);
    JS_SetGCThreshold(engine.runtime, (size_t)usage.malloc_size + BYTES_BEFORE_COLLECTION);
    engine.phase = phase;
}
