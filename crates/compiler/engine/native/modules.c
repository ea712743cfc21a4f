#include "modules.h"

#include "jobs.h"
#include "natives.h"
#include "values.h"

#define API_MODULE "toolwright"

static const char *const API_NAMES[] = {"prompt", "resource", "tool", "ToolError"};
enum { API_COUNT = sizeof API_NAMES / sizeof API_NAMES[0] };

/* Library modules are compiled while they are loaded, before the tool's own source runs, and never later: the text of one that came from
 * a tool would be code from text. */
static bool is_loading_library;

static bool is_of_library(JSContext *context, const char *name) {
    JSAtom atom = JS_NewAtom(context, name);
    bool is_known = JS_IsObject(engine.library) && JS_GetOwnProperty(context, NULL, engine.library, atom) > 0;
    JS_FreeAtom(context, atom);
    return is_known;
}

/* QuickJS asks this for every import, static and dynamic, before it looks among the modules it has: so it is the gate. What is compiled in a
 * context of its own is asked again when it is read. */
static char *pass(JSContext *context, const char *importer, const char *name, void *opaque) {
    (void)importer, (void)opaque;
    bool is_known = context != engine.context         ? true
                    : engine.phase == PHASE_BOOT ? strcmp(name, NATIVE_MODULE) == 0
                                                 : strcmp(name, API_MODULE) == 0 || is_of_library(context, name);
    if (is_known) {
        return js_strdup(context, name);
    }
    const char *others = JS_IsObject(engine.library) ? " and the library modules that the tool was granted" : "";
    JS_ThrowReferenceError(context, "cannot import \"%.100s\": the only module is \"" API_MODULE "\"%s", name, others);
    return NULL;
}

static int fill_nothing(JSContext *context, JSModuleDef *module) {
    (void)context, (void)module;
    return 0;
}

/* The source of a library module. It was given as a text (prelude/source_map.js checks it). */
static JSModuleDef *load_source(JSContext *context, const char *name) {
    JSValue source_value = JS_GetPropertyStr(context, engine.library, name);
    struct text source = text_of(context, source_value);
    JS_FreeValue(context, source_value);
    if (source.start == NULL) {
        return NULL;
    }
    JSValue module = modules_take(context, modules_compile(source, name, 0));
    text_free(context, source);
    return JS_IsException(module) ? NULL : JS_VALUE_GET_PTR(module);
}

/* QuickJS asks this for a module that it does not have. */
static JSModuleDef *load(JSContext *context, const char *name, void *opaque) {
    (void)opaque;
    if (context != engine.context) {
        /* What is compiled needs to find something under the name; it is never run in that context. */
        return JS_NewCModule(context, name, fill_nothing);
    }
    if (is_loading_library && is_of_library(context, name)) {
        return load_source(context, name);
    }
    JS_ThrowReferenceError(context, "cannot import \"%.100s\" in this way", name);
    return NULL;
}

void modules_set_rules(JSRuntime *runtime) {
    JS_SetModuleLoaderFunc(runtime, pass, load, NULL);
}

struct bytecode modules_compile(struct text source, const char *file, int left_out) {
    struct bytecode bytecode = {NULL, 0};
    JSContext *context = engine_new_compiler();
    JSValue module = JS_Eval(context, source.start, source.length, file, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    if (!JS_IsException(module)) {
        bytecode.start =
            JS_WriteObject(context, &bytecode.length, module, JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE | left_out);
    }
    JS_FreeContext(context); /* with its modules */
    JS_RunGC(engine.runtime);
    return bytecode;
}

JSValue modules_read(JSContext *context, struct bytecode bytecode) {
    JSValue module = JS_ReadObject(context, bytecode.start, bytecode.length, JS_READ_OBJ_BYTECODE);
    /* The context keeps its modules. */
    return JS_IsException(module) || JS_ResolveModule(context, module) < 0 ? JS_EXCEPTION : module;
}

JSValue modules_take(JSContext *context, struct bytecode bytecode) {
    JSValue module = bytecode.start == NULL ? JS_EXCEPTION : modules_read(context, bytecode);
    js_free(context, bytecode.start);
    return module;
}

static int fill_api(JSContext *context, JSModuleDef *module) {
    JSValue prelude = JS_GetModulePrivateValue(context, module);
    int failed = 0;
    for (int at = 0; at < API_COUNT && failed == 0; at++) {
        failed = JS_SetModuleExport(context, module, API_NAMES[at], JS_GetPropertyStr(context, prelude, API_NAMES[at]));
    }
    JS_FreeValue(context, prelude);
    return failed;
}

bool modules_declare_api(JSContext *context, JSValueConst prelude) {
    JSModuleDef *module = JS_NewCModule(context, API_MODULE, fill_api);
    if (module == NULL || JS_SetModulePrivateValue(context, module, JS_DupValue(context, prelude)) < 0) {
        return false;
    }
    for (int at = 0; at < API_COUNT; at++) {
        if (JS_AddModuleExport(context, module, API_NAMES[at]) < 0) {
            return false;
        }
    }
    return true;
}

/* Evaluates one library module, and those that it imports. NULL, or what has failed. */
static const char *load_module(JSContext *context, const char *name) {
    static char what[160];
    JSValue done = jobs_await(JS_LoadModule(context, "", name));
    bool has_failed = JS_IsException(done);
    JS_FreeValue(context, done);
    snprintf(what, sizeof what, "the library module \"%.100s\" cannot be read", name);
    return has_failed ? what : NULL;
}

const char *modules_load_library(JSContext *context, JSValueConst sources) {
    const char *failed = NULL;
    JSPropertyEnum *names = NULL;
    uint32_t count = 0;
    if (!JS_IsObject(sources)) {
        return NULL;
    }
    engine.library = JS_DupValue(context, sources);
    if (JS_GetOwnPropertyNames(context, &names, &count, sources, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0) {
        return "the library modules cannot be read";
    }
    is_loading_library = true;
    for (uint32_t at = 0; at < count && failed == NULL; at++) {
        const char *name = JS_AtomToCString(context, names[at].atom);
        failed = name == NULL ? "the library modules cannot be read" : load_module(context, name);
        JS_FreeCString(context, name);
    }
    is_loading_library = false;
    for (uint32_t at = 0; at < count && failed == NULL; at++) {
        /* The text is not needed any more, the name is. */
        JS_DefinePropertyValue(context, engine.library, names[at].atom, JS_TRUE, JS_PROP_C_W_E);
    }
    JS_FreePropertyEnum(context, names, count);
    return failed;
}
