/* What the host calls. README.md, beside the folder of this file, says how the parameters and results are laid out. */
#include "failure.h"
#include "jobs.h"
#include "modules.h"
#include "natives.h"
#include "values.h"

/* The result of the last call. It stays until the host has read it and says so by the `cabi_post_` function. */
static struct call_result call_result;
static struct text describe_result;

static struct call_result *fail(const char *doing) {
    call_result.is_error = 1;
    call_result.error = failure_take(doing);
    return &call_result;
}

static struct call_result *succeed(JSValueConst json) {
    call_result.text = json_of(engine.context, json);
    call_result.is_error = 0;
    return call_result.text.start == NULL ? fail(NULL) : &call_result;
}

static JSValue hook(JSValueConst prelude, const char *name) {
    JSValue function = JS_GetPropertyStr(engine.context, prelude, name);
    if (JS_IsException(function) || JS_IsUndefined(function)) {
        __builtin_trap();
    }
    return function;
}

/* The prelude is ours, so there is nobody to give an error to: it is logged, and the engine stops. */
static _Noreturn void stop(void) {
    struct text message = text_of(engine.context, JS_GetException(engine.context));
    host_log(LOG_ERROR, message.start, message.length);
    __builtin_trap();
}

/* Compiles and runs `source`, which is followed by a zero, and gives the module. NULL, with the exception pending, where it fails. */
static JSModuleDef *run_module(struct text source, const char *file) {
    JSContext *context = engine.context;
    JSValue module = JS_Eval(context, source.start, source.length, file, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    if (JS_IsException(module)) {
        return NULL;
    }
    /* The context keeps its modules; evaluating one takes the value. */
    JSModuleDef *definition = JS_VALUE_GET_PTR(module);
    JSValue done = jobs_await(JS_EvalFunction(context, module));
    bool has_thrown = JS_IsException(done);
    JS_FreeValue(context, done);
    return has_thrown ? NULL : definition;
}

/* The given block as a text with a zero behind it, for which `cabi_realloc` left a byte. */
static struct text terminated(char *start, size_t length) {
    if (length == 0) {
        return (struct text){"", 0};
    }
    start[length] = 0;
    return (struct text){start, length};
}

/* Before a snapshot the block is cleared too: zeros are not kept. */
static void clear_and_free(struct text text) {
    if (text.length != 0) {
        memset(text.start, 0, text.length);
        abi_free(text);
    }
}

EXPORT("boot") void boot(char *start, size_t length) {
    engine.phase = PHASE_BOOT;
    engine_create();
    engine_enter();
    JSContext *context = engine.context;
    modules_set_rules(engine.runtime);
    failure_track_rejections(engine.runtime);
    struct text source = terminated(start, length);
    JSModuleDef *module = natives_declare(context) ? run_module(source, "toolwright:prelude") : NULL;
    clear_and_free(source);
    if (module == NULL) {
        stop();
    }
    JSValue prelude = JS_GetModuleNamespace(context, module);
    engine.accept = hook(prelude, "accept");
    engine.adopt = hook(prelude, "adopt");
    engine.remember = hook(prelude, "remember");
    engine.failure = hook(prelude, "failure");
    engine.unhandled = hook(prelude, "unhandled");
    engine.idle = hook(prelude, "idle");
    engine.ended = hook(prelude, "ended");
    engine.ctx = hook(prelude, "ctx");
    engine.tool = engine.run = engine.interface = JS_UNDEFINED;
    if (!modules_declare_api(context, prelude)) {
        stop();
    }
    JS_FreeValue(context, prelude);
    engine_settle_down(PHASE_BUILD);
}

/* Has the prelude check what the module exports, and keeps what it makes of it: [tool, run, interface as JSON]. */
static bool accept_tool(JSModuleDef *module) {
    JSContext *context = engine.context;
    JSValue namespace = JS_GetModuleNamespace(context, module);
    JSValue accepted = JS_IsException(namespace) ? JS_EXCEPTION : JS_Call(context, engine.accept, JS_UNDEFINED, 1, &namespace);
    JS_FreeValue(context, namespace);
    if (JS_IsException(accepted)) {
        return false;
    }
    engine.tool = JS_GetPropertyUint32(context, accepted, 0);
    engine.run = JS_GetPropertyUint32(context, accepted, 1);
    engine.interface = JS_GetPropertyUint32(context, accepted, 2);
    JS_FreeValue(context, accepted);
    return true;
}

/* Runs the module of a request, which is {source, map, file}; README.md says what they are. */
static bool load_tool(JSValueConst request) {
    JSContext *context = engine.context;
    JSValue remembered = JS_Call(context, engine.remember, JS_UNDEFINED, 1, &request);
    if (JS_IsException(remembered)) {
        return false;
    }
    JS_FreeValue(context, remembered);
    JSValue source_value = JS_GetPropertyStr(context, request, "source");
    JSValue file_value = JS_GetPropertyStr(context, request, "file");
    struct text source = text_of(context, source_value), file = text_of(context, file_value);
    JSModuleDef *module = source.start == NULL || file.start == NULL ? NULL : run_module(source, file.start);
    text_free(context, source);
    text_free(context, file);
    JS_FreeValue(context, source_value);
    JS_FreeValue(context, file_value);
    return module != NULL && accept_tool(module);
}

EXPORT("init") struct call_result *init(char *start, size_t length) {
    engine_enter();
    JSContext *context = engine.context;
    struct text text = terminated(start, length);
    JSValue request = JS_ParseJSON(context, text.start, text.length, "request");
    clear_and_free(text);
    bool is_loaded = !JS_IsException(request) && load_tool(request);
    JS_FreeValue(context, request);
    failure_log_rejections();
    if (!is_loaded) {
        return fail(NULL);
    }
    natives_forget_seed();
    engine_settle_down(PHASE_RUN);
    return succeed(engine.interface);
}

EXPORT("call") struct call_result *call(char *start, size_t length) {
    engine_enter();
    JSContext *context = engine.context;
    struct text text = terminated(start, length);
    JSValue arguments[] = {JS_ParseJSON(context, text.start, text.length, "arguments"), engine.ctx};
    abi_free(text);
    if (JS_IsException(arguments[0])) {
        return fail("the arguments cannot be read as JSON");
    }
    JSValue result = jobs_await(JS_Call(context, engine.run, engine.tool, 2, arguments));
    JS_FreeValue(context, arguments[0]);
    failure_log_rejections();
    if (JS_IsException(result)) {
        return fail(NULL);
    }
    JSValue json = JS_IsUndefined(result) ? JS_NewString(context, "null") : JS_JSONStringify(context, result, JS_UNDEFINED, JS_UNDEFINED);
    JS_FreeValue(context, result);
    if (JS_IsUndefined(json)) {
        json = JS_ThrowTypeError(context, "a function or a symbol is not a value of JSON");
    }
    if (JS_IsException(json)) {
        return fail("the result cannot be written as JSON");
    }
    struct call_result *written = succeed(json);
    JS_FreeValue(context, json);
    return written;
}

EXPORT("describe") struct text *describe(void) {
    engine_enter();
    describe_result = json_of(engine.context, engine.interface);
    return &describe_result;
}

EXPORT("cabi_post_describe") void post_describe(struct text *result) {
    text_free(engine.context, *result);
}

EXPORT("cabi_post_call") void post_call(struct call_result *result) {
    if (result->is_error) {
        failure_free(result->error);
    } else {
        text_free(engine.context, result->text);
    }
}
