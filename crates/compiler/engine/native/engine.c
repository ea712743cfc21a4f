#include "engine.h"

#include <malloc.h>

struct engine engine;

/* The linker's name for the first byte after the stack and the static data. */
extern unsigned char __heap_base;

enum {
    /* Of the 1 MiB of C stack (build.sh). The host's stack for WebAssembly is taken to be 1 MiB as well. What takes most of that for each
     * byte of this one are nested groups of a regular expression, nearly three bytes: they still end with a tenth left, for functions
     * that do not check. */
    STACK_BYTES_MAX = 320 * 1024,
    /* Held back from JavaScript: texts on their way from and to the host, and the report of an error after memory ran out. */
    RESERVE_BYTES_MIN = 256 * 1024,
    /* And at least this part of the whole, because memory is fragmented sooner or later. */
    RESERVE_FRACTION = 16,
    /* A part of the reserve: for the error object that says that memory ran out. */
    GRACE_BYTES = 64 * 1024,
    /* A call makes this much before the first collection of cycles. A collection touches every object of the snapshot, which costs a
     * fresh instance a page fault for each page of it, and most calls are over long before. */
    BYTES_BEFORE_COLLECTION = 4 * 1024 * 1024,
    /* What QuickJS gives out as small blocks: all sizes up to this, in these steps. */
    SMALL_BLOCK_BYTES_MAX = 504,
    SMALL_BLOCK_STEP = 8,
    /* What `clear_free_memory` takes at once. */
    FREE_BLOCK_BYTES_MAX = 1024 * 1024,
    FREE_BLOCK_BYTES_MIN = 32,
    /* Of linear memory. */
    PAGE_BYTES = 64 * 1024,
};

/* JavaScript's memory. It is counted here and not by QuickJS: this counts what it takes of the linear memory, and it leaves room for the
 * error that says that there is no more. */
static struct {
    size_t used;
    size_t limit;
    /* Above the limit, after an allocation was refused: without it there would be no memory for the error object, and JavaScript would
     * catch `null`. */
    size_t grace;
    /* Whether the host has been told that memory ran out. */
    bool told;
} memory;

/* Memory that was used in a phase that ends in a snapshot is cleared when it is freed: zeros are left out of a snapshot. The compiler
 * would leave out what is written to a block that is freed next, if it were not told that somebody looks. */
static void clear_before_snapshot(void *block) {
    if (engine.phase != PHASE_RUN) {
        memset(block, 0, malloc_usable_size(block));
        __asm__ volatile("" : : "r"(block) : "memory");
    }
}

static size_t size_of_block(const void *block) {
    return block == NULL ? 0 : malloc_usable_size((void *)block) + sizeof(size_t);
}

/* Asks the host for as much again as it grants, which it refuses: by this it knows that memory ran out. What a script says of itself is
 * no proof of that. */
static void tell_host(void) {
    if (engine.phase == PHASE_RUN && !memory.told) {
        memory.told = true;
        (void)__builtin_wasm_memory_grow(0, (size_t)(host_memory_limit() / PAGE_BYTES) + 1);
    }
}

/* While this is set QuickJS gets no new memory, so that it gives out what it holds. */
static bool refuses_memory;

static bool is_granted(size_t size) {
    if (refuses_memory) {
        return false;
    }
    if (memory.used + size <= memory.limit + memory.grace && size <= memory.limit) {
        return true;
    }
    memory.grace = GRACE_BYTES;
    tell_host();
    return false;
}

static void *count_in(void *block) {
    memory.used += size_of_block(block);
    return block;
}

static void count_out(void *block) {
    memory.used -= size_of_block(block);
    if (memory.used + GRACE_BYTES < memory.limit) {
        memory.grace = 0;
    }
}

static void *allocate(void *opaque, size_t size) {
    (void)opaque;
    return is_granted(size) ? count_in(malloc(size)) : NULL;
}

static void *allocate_cleared(void *opaque, size_t count, size_t size) {
    (void)opaque;
    return is_granted(count * size) ? count_in(calloc(count, size)) : NULL;
}

static void release(void *opaque, void *block) {
    (void)opaque;
    if (block != NULL) {
        count_out(block);
        clear_before_snapshot(block);
        free(block);
    }
}

/* Before a snapshot the block moves by hand, so that its old place is cleared. */
static void *move(void *block, size_t size) {
    size_t old_size = malloc_usable_size(block);
    void *moved = malloc(size);
    if (moved != NULL) {
        memcpy(moved, block, old_size < size ? old_size : size);
        clear_before_snapshot(block);
        free(block);
    }
    return moved;
}

static void *resize(void *opaque, void *block, size_t size) {
    if (block == NULL) {
        return allocate(opaque, size);
    }
    size_t old_size = size_of_block(block);
    if (size > old_size && !is_granted(size - old_size)) {
        return NULL;
    }
    void *moved = engine.phase == PHASE_RUN ? realloc(block, size) : move(block, size);
    if (moved != NULL) {
        memory.used -= old_size;
        count_in(moved);
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

/* What the host grants, less the stack and the static data. */
static size_t granted_bytes(void) {
    uint64_t granted = host_memory_limit();
    uint64_t heap_start = (uintptr_t)&__heap_base;
    uint64_t bytes = granted > heap_start ? granted - heap_start : 0;
    return bytes > UINT32_MAX / 2 ? UINT32_MAX / 2 : (size_t)bytes;
}

static void limit_memory(void) {
    size_t bytes = granted_bytes();
    size_t fraction = bytes / RESERVE_FRACTION;
    size_t reserve = fraction > RESERVE_BYTES_MIN ? fraction : RESERVE_BYTES_MIN;
    memory.limit = bytes > reserve ? bytes - reserve : 0;
}

void engine_create_runtime(void) {
    limit_memory();
    engine.runtime = JS_NewRuntime2(&MEMORY, NULL);
    if (engine.runtime == NULL) {
        __builtin_trap();
    }
    JS_SetMaxStackSize(engine.runtime, STACK_BYTES_MAX);
}

JSContext *engine_new_compiler(void) {
    JSContext *context = JS_NewContextRaw(engine.runtime);
    if (context == NULL || JS_AddIntrinsicBaseObjects(context) || JS_AddIntrinsicEval(context) || JS_AddIntrinsicRegExp(context)) {
        __builtin_trap();
    }
    return context;
}

void engine_create_context(void) {
    JSContext *context = JS_NewContextRaw(engine.runtime);
    /* All that `JS_NewContext` adds but `performance`, whose origin would be the moment of the snapshot: the prelude has its own. */
    if (context == NULL || JS_AddIntrinsicBaseObjects(context) || JS_AddIntrinsicDate(context) || JS_AddIntrinsicEval(context) ||
        JS_AddIntrinsicRegExp(context) || JS_AddIntrinsicJSON(context) || JS_AddIntrinsicProxy(context) ||
        JS_AddIntrinsicMapSet(context) || JS_AddIntrinsicTypedArrays(context) || JS_AddIntrinsicPromise(context) ||
        JS_AddIntrinsicWeakRef(context) || JS_AddIntrinsicDOMException(context) || JS_AddIntrinsicAToB(context)) {
        __builtin_trap();
    }
    engine.context = context;
    engine.then = JS_NewAtom(context, "then");
}

void engine_enter(void) {
    JS_UpdateStackTop(engine.runtime);
    limit_memory();
}

void engine_use_reserve(void) {
    memory.limit = granted_bytes();
}

/* QuickJS cuts small blocks out of larger ones, and what was in those that are free is still there. Here all that is free is taken once
 * more, cleared, and given back. */
static void clear_free_blocks(void) {
    void **taken = NULL, **block;
    refuses_memory = true;
    for (size_t size = SMALL_BLOCK_STEP; size <= SMALL_BLOCK_BYTES_MAX; size += SMALL_BLOCK_STEP) {
        while ((block = js_malloc_rt(engine.runtime, size)) != NULL) {
            memset(block, 0, size);
            *block = taken;
            taken = block;
        }
    }
    refuses_memory = false;
    while ((block = taken) != NULL) {
        taken = *block;
        *(void *volatile *)block = NULL;
        js_free_rt(engine.runtime, block);
    }
}

/* What `malloc` wrote between blocks that were freed later is still there as well: a few bytes in many pages. */
static void clear_free_memory(void) {
    void **taken = NULL, **block;
    memory_grows = false;
    for (size_t size = FREE_BLOCK_BYTES_MAX; size >= FREE_BLOCK_BYTES_MIN; size /= 2) {
        while ((block = malloc(size)) != NULL) {
            memset(block, 0, malloc_usable_size(block));
            *block = taken;
            taken = block;
        }
    }
    while ((block = taken) != NULL) {
        taken = *block;
        clear_before_snapshot(block);
        free(block);
    }
    memory_grows = true;
}

void engine_settle_down(enum phase phase) {
    JS_RunGC(engine.runtime);
    clear_free_blocks();
    clear_free_memory();
    JSMemoryUsage usage;
    JS_ComputeMemoryUsage(engine.runtime, &usage);
    JS_SetGCThreshold(engine.runtime, (size_t)usage.malloc_size + BYTES_BEFORE_COLLECTION);
    engine.phase = phase;
}
