/* What `import` finds, and how modules are compiled. */
#ifndef TOOLWRIGHT_MODULES_H
#define TOOLWRIGHT_MODULES_H

#include "engine.h"

/* Bytecode, in memory of the runtime. */
struct bytecode {
    uint8_t *start;
    size_t length;
};

/* Makes `import` follow the rules: the prelude may import the natives; a tool and the library modules that it was given "toolwright" and
 * those modules. */
void modules_set_rules(JSRuntime *runtime);

/* Compiles a module of ours without the text of its functions, which would stay in memory otherwise, in a context that is gone
 * afterwards. `left_out` is JS_WRITE_OBJ_STRIP_DEBUG as well where nobody asks for places. `start` is NULL, with the exception pending,
 * where that fails. `source` is followed by a zero. */
struct bytecode modules_compile(struct text source, const char *file, int left_out);

/* Makes a module of `bytecode`. JS_EXCEPTION where that fails. */
JSValue modules_read(JSContext *context, struct bytecode bytecode);

/* The same for what `modules_compile` has just made, which is freed. */
JSValue modules_take(JSContext *context, struct bytecode bytecode);

/* Declares the module "toolwright". What it exports is what the namespace of the prelude has under the same names. False where memory
 * ran out. */
bool modules_declare_api(JSContext *context, JSValueConst prelude);

/* Evaluates the library modules that `sources`, an object, has by name; undefined for none. NULL, or what has failed, with the exception
 * pending. */
const char *modules_load_library(JSContext *context, JSValueConst sources);

#endif
