/* What the host calls. README.md, beside the folder of this file, says how the parameters and results are laid out. */
#include "failure.h"
#include "jobs.h"
#include "modules.h"
#include "natives.h"
#include "values.h"

/* The results of the last call of each kind. They stay until the host has read them and says so by the `cabi_post_` function. */
static struct call_result call_result;
static struct text_or_error text_result;
static struct text describe_result;

static struct text_or_error *fail(const char *doing) {
    text_result.is_error = 1;
    text_result.error = failure_take(doing);
    return &text_result;
}

static struct text_or_error *succeed(JSValueConst json) {
    text_result.text = json_of(engine.context, json);
    text_result.is_error = 0;
    return text_result.text.start == NULL ? fail(NULL) : &text_result;
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
    if (engine.context == NULL) {
        engine_create_context();
    }
    struct text message = text_of(engine.context, JS_GetException(engine.context));
    host_log(LOG_ERROR, message.start, message.length);
    __builtin_trap();
}

/* Runs a module; NULL, with the exception pending, where it fails. */
static JSModuleDef *run_module(JSValue module) {
    JSContext *context = engine.context;
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

static void begin_boot(void) {
    engine.phase = PHASE_BOOT;
    engine_create_runtime();
    engine_enter();
    modules_set_rules(engine.runtime);
    failure_track_rejections(engine.runtime);
}

EXPORT("compile") struct text *compile(char *start, size_t length) {
    static struct text result;
    begin_boot();
    struct text source = terminated(start, length);
    struct bytecode bytecode = modules_compile(source, "toolwright:prelude", JS_WRITE_OBJ_STRIP_DEBUG);
    if (bytecode.start == NULL) {
        stop();
    }
    result = (struct text){(char *)bytecode.start, bytecode.length};
    return &result;
}

EXPORT("boot") void boot(char *start, size_t length) {
    begin_boot();
    engine_create_context();
    JSModuleDef *module = NULL;
    if (natives_declare(engine.context)) {
        module = run_module(modules_read(engine.context, (struct bytecode){(uint8_t *)start, length}));
        clear_and_free((struct text){start, length});
    }
    if (module == NULL) {
        stop();
    }
    JSContext *context = engine.context;
    JSValue prelude = JS_GetModuleNamespace(context, module);
    engine.accept = hook(prelude, "accept");
    engine.adopt = hook(prelude, "adopt");
    engine.answer = hook(prelude, "answer");
    engine.complete = hook(prelude, "complete");
    engine.remember = hook(prelude, "remember");
    engine.failure = hook(prelude, "failure");
    engine.unhandled = hook(prelude, "unhandled");
    engine.idle = hook(prelude, "idle");
    engine.ended = hook(prelude, "ended");
    engine.ctx = hook(prelude, "ctx");
    engine.tool = engine.run = engine.interface = engine.library = JS_UNDEFINED;
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
    /* Nothing of the tool's runs when the interface is read, now and in every call. */
    if (!JS_IsString(engine.interface) || !JS_IsFunction(context, engine.run)) {
        JS_ThrowTypeError(context, "the source has replaced functions of the language that its own description needs");
        return false;
    }
    return true;
}

/* The tool's own module. Unlike those of the library it is compiled where it is run, which takes half the time: the text of its functions
 * stays, but that is short as a rule. */
static JSValue read_source(JSValueConst source_value, JSValueConst file_value) {
    JSContext *context = engine.context;
    JSValue module = JS_EXCEPTION;
    struct text source = text_of(context, source_value), file = text_of(context, file_value);
    if (source.start != NULL && file.start != NULL) {
        module = JS_Eval(context, source.start, source.length, file.start, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    }
    text_free(context, source);
    text_free(context, file);
    return module;
}

/* Runs the modules of a request, which is {source, map, file, modules}; README.md says what they are. `doing` is set where it is not the
 * tool's own module that fails. */
static bool load_tool(JSValueConst request, const char **doing) {
    JSContext *context = engine.context;
    JSValue remembered = JS_Call(context, engine.remember, JS_UNDEFINED, 1, &request);
    if (JS_IsException(remembered)) {
        return false;
    }
    JS_FreeValue(context, remembered);
    JSValue modules = JS_GetPropertyStr(context, request, "modules");
    *doing = modules_load_library(context, modules);
    JS_FreeValue(context, modules);
    if (*doing != NULL) {
        return false;
    }
    JSValue source = JS_GetPropertyStr(context, request, "source"), file = JS_GetPropertyStr(context, request, "file");
    JSModuleDef *module = run_module(read_source(source, file));
    JS_FreeValue(context, source);
    JS_FreeValue(context, file);
    return module != NULL && accept_tool(module);
}

EXPORT("init") struct text_or_error *init(char *start, size_t length) {
    engine_enter();
    JSContext *context = engine.context;
    struct text text = terminated(start, length);
    JSValue request = JS_ParseJSON(context, text.start, text.length, "request");
    clear_and_free(text);
    const char *doing = NULL;
    bool is_loaded = !JS_IsException(request) && load_tool(request, &doing);
    JS_FreeValue(context, request);
    failure_log_rejections();
    if (!is_loaded) {
        return fail(doing);
    }
    natives_forget_seed();
    engine_settle_down(PHASE_RUN);
    return succeed(engine.interface);
}

static struct call_result *fail_call(const char *doing) {
    call_result.is_error = 1;
    call_result.error = failure_take(doing);
    return &call_result;
}

/* What `run` gave, as the prelude has it answered: a value to be written as JSON, and whether that is content. Takes `result`. */
static JSValue shape(JSValue result, uint8_t *is_content) {
    JSContext *context = engine.context;
    *is_content = 0;
    if (JS_IsException(result)) {
        return result;
    }
    JSValue shaped = JS_Call(context, engine.answer, JS_UNDEFINED, 1, &result);
    if (JS_IsUndefined(shaped)) {
        return result;
    }
    JS_FreeValue(context, result);
    if (JS_IsException(shaped)) {
        return shaped;
    }
    JSValue kind = JS_GetPropertyUint32(context, shaped, 0), value = JS_GetPropertyUint32(context, shaped, 1);
    JS_FreeValue(context, shaped);
    *is_content = JS_VALUE_GET_TAG(kind) == JS_TAG_BOOL && JS_VALUE_GET_BOOL(kind);
    JS_FreeValue(context, kind);
    return value;
}

/* A value as JSON, which the language's own function writes, whatever a tool has put in its place. */
static JSValue to_json(JSValueConst value) {
    JSContext *context = engine.context;
    if (JS_IsUndefined(value)) {
        return JS_NewString(context, "null");
    }
    JSValue json = JS_JSONStringify(context, value, JS_UNDEFINED, JS_UNDEFINED);
    return JS_IsUndefined(json) ? JS_ThrowTypeError(context, "a function or a symbol is not a value of JSON") : json;
}

EXPORT("call") struct call_result *call(char *start, size_t length) {
    engine_enter();
    JSContext *context = engine.context;
    struct text text = terminated(start, length);
    JSValue arguments[] = {JS_ParseJSON(context, text.start, text.length, "arguments"), engine.ctx};
    abi_free(text);
    if (JS_IsException(arguments[0])) {
        return fail_call("the arguments cannot be read as JSON");
    }
    JSValue result = shape(jobs_await(JS_Call(context, engine.run, engine.tool, 2, arguments)), &call_result.answer.is_content);
    JS_FreeValue(context, arguments[0]);
    failure_log_rejections();
    if (JS_IsException(result)) {
        return fail_call(NULL);
    }
    JSValue json = to_json(result);
    JS_FreeValue(context, result);
    if (JS_IsException(json)) {
        return fail_call("the result cannot be written as JSON");
    }
    call_result.is_error = 0;
    call_result.answer.text = json_of(context, json);
    JS_FreeValue(context, json);
    return call_result.answer.text.start == NULL ? fail_call(NULL) : &call_result;
}

EXPORT("complete") struct text_or_error *complete(char *start, size_t length) {
    engine_enter();
    JSContext *context = engine.context;
    struct text text = terminated(start, length);
    JSValue request = JS_ParseJSON(context, text.start, text.length, "request");
    abi_free(text);
    if (JS_IsException(request)) {
        return fail("the request cannot be read as JSON");
    }
    JSValue values = jobs_await(JS_Call(context, engine.complete, JS_UNDEFINED, 1, &request));
    JS_FreeValue(context, request);
    failure_log_rejections();
    JSValue json = JS_IsException(values) ? JS_EXCEPTION : to_json(values);
    JS_FreeValue(context, values);
    if (JS_IsException(json)) {
        return fail(NULL);
    }
    struct text_or_error *written = succeed(json);
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
        text_free(engine.context, result->answer.text);
    }
}

EXPORT("cabi_post_complete") void post_complete(struct text_or_error *result) {
    if (result->is_error) {
        failure_free(result->error);
    } else {
        text_free(engine.context, result->text);
    }
}
