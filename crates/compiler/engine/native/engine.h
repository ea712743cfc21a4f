/* The state of the engine: one JavaScript runtime with one context and one tool in it.
 *
 * It lives through three phases. A snapshot of the memory is taken after each of the first two, so what a phase leaves in here is
 * what the next one begins with, on another machine perhaps. */
#ifndef TOOLWRIGHT_ENGINE_H
#define TOOLWRIGHT_ENGINE_H

#include "host.h"
#include "quickjs.h"

enum phase {
    PHASE_BOOT,  /* the prelude is being read */
    PHASE_BUILD, /* a tool's module is being read: the host does nothing for it but log */
    PHASE_RUN,   /* the tool is called */
};

struct engine {
    JSRuntime *runtime;
    JSContext *context;
    enum phase phase;

    /* Functions of the prelude (prelude/exports.js says what each does). */
    JSValue accept;
    JSValue adopt;
    JSValue answer;
    JSValue complete;
    JSValue remember;
    JSValue failure;
    JSValue unhandled;
    JSValue idle;
    JSValue ended;

    /* The tool (or resource, or prompt): `run` is called on `tool` with the arguments and `ctx`. */
    JSValue tool;
    JSValue run;
    JSValue ctx;
    JSValue interface;

    /* The library modules that this tool may import: an object with a member for each. */
    JSValue library;

    JSAtom then;
};

extern struct engine engine;

/* Whether `malloc` may have the memory grow (platform.c). */
extern bool memory_grows;

/* Makes the runtime. Traps where there is no memory for it. */
void engine_create_runtime(void);

/* A context in which source can be compiled, but not run. Traps where there is no memory for it. */
JSContext *engine_new_compiler(void);

/* Makes the context in which everything runs. */
void engine_create_context(void);

/* To be called first by every export: the C stack may lie elsewhere than at the last entry, and the memory that the host grants may
 * have changed. */
void engine_enter(void);

/* Lets the engine use the memory that `engine_enter` holds back, so that an error can be reported after memory ran out. */
void engine_use_reserve(void);

/* Collects garbage and sets the engine up for `phase`, right before a snapshot. */
void engine_settle_down(enum phase phase);

#endif
