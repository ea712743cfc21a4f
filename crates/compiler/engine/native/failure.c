#include "failure.h"

#include "utf8.h"
#include "values.h"

/* The parts of a failure in the order in which the prelude gives them. */
enum { FAILURE_NAME, FAILURE_MESSAGE, FAILURE_LINE, FAILURE_COLUMN, FAILURE_STACK };

static struct text constant(const char *text) {
    JSValue string = JS_NewString(engine.context, text);
    struct text constant = text_of(engine.context, string);
    JS_FreeValue(engine.context, string);
    return constant;
}

/* The reporter itself failed: there is no memory even in the reserve, or a hostile error found a hole in it. */
static struct tool_error unprintable(void) {
    JS_FreeValue(engine.context, JS_GetException(engine.context));
    return (struct tool_error){constant("Error"), constant("an error that cannot be described"), 0, 0, constant("")};
}

/* The prelude cuts texts as well, by functions of the language that a source may have replaced. A character is three bytes at most for
 * each of its UTF-16 units, of which the prelude leaves 8000. */
enum { NAME_BYTES_MAX = 400, TEXT_BYTES_MAX = 25 * 1024 };

/* A part is taken as it is: nothing of it is run. What is no text is an empty one. */
static struct text text_part(JSValueConst parts, uint32_t at, size_t bytes_max) {
    JSValue part = JS_GetPropertyUint32(engine.context, parts, at);
    struct text text = JS_IsString(part) ? text_of(engine.context, part) : constant("");
    JS_FreeValue(engine.context, part);
    if (text.start != NULL && text.length > bytes_max) {
        text.length = bytes_max - utf8_unfinished((struct text){text.start, bytes_max});
    }
    return text;
}

static uint32_t number_part(JSValueConst parts, uint32_t at) {
    uint32_t number = 0;
    JSValue part = JS_GetPropertyUint32(engine.context, parts, at);
    if (JS_IsNumber(part)) {
        JS_ToUint32(engine.context, &number, part);
    }
    JS_FreeValue(engine.context, part);
    return number;
}

struct tool_error failure_take(const char *doing) {
    JSContext *context = engine.context;
    engine_use_reserve();
    JSValue arguments[] = {JS_GetException(context), doing == NULL ? JS_UNDEFINED : JS_NewString(context, doing)};
    JSValue parts = JS_Call(context, engine.failure, JS_UNDEFINED, 2, arguments);
    JS_FreeValue(context, arguments[0]);
    JS_FreeValue(context, arguments[1]);
    if (JS_IsException(parts)) {
        return unprintable();
    }
    struct tool_error error = {
        .name = text_part(parts, FAILURE_NAME, NAME_BYTES_MAX),
        .message = text_part(parts, FAILURE_MESSAGE, TEXT_BYTES_MAX),
        .line = number_part(parts, FAILURE_LINE),
        .column = number_part(parts, FAILURE_COLUMN),
        .stack = text_part(parts, FAILURE_STACK, TEXT_BYTES_MAX),
    };
    JS_FreeValue(context, parts);
    return error.name.start == NULL || error.message.start == NULL || error.stack.start == NULL ? unprintable() : error;
}

void failure_free(struct tool_error error) {
    text_free(engine.context, error.name);
    text_free(engine.context, error.message);
    text_free(engine.context, error.stack);
}

static void log_unhandled(JSValueConst reason) {
    JSValue done = JS_Call(engine.context, engine.unhandled, JS_UNDEFINED, 1, &reason);
    if (JS_IsException(done)) {
        JS_FreeValue(engine.context, JS_GetException(engine.context));
    }
    JS_FreeValue(engine.context, done);
}

void failure_log_uncaught(void) {
    JSValue thrown = JS_GetException(engine.context);
    log_unhandled(thrown);
    JS_FreeValue(engine.context, thrown);
}

/* A promise is often rejected first and handled a moment later, so it is only at the end of a call that the rest is known. One who
 * forgets a handler forgets it in a loop: these are enough to see it. */
enum { REJECTIONS_MAX = 16 };

static struct {
    JSValue promise;
    JSValue reason;
} rejections[REJECTIONS_MAX];
static int rejection_count;

static void forget(int at) {
    JS_FreeValue(engine.context, rejections[at].promise);
    JS_FreeValue(engine.context, rejections[at].reason);
    rejection_count--;
    memmove(&rejections[at], &rejections[at + 1], (size_t)(rejection_count - at) * sizeof rejections[0]);
}

static void track(JSContext *context, JSValueConst promise, JSValueConst reason, bool is_handled, void *opaque) {
    (void)opaque;
    if (!is_handled && rejection_count < REJECTIONS_MAX) {
        rejections[rejection_count].promise = JS_DupValue(context, promise);
        rejections[rejection_count].reason = JS_DupValue(context, reason);
        rejection_count++;
    }
    for (int at = 0; is_handled && at < rejection_count; at++) {
        if (JS_IsStrictEqual(context, rejections[at].promise, promise)) {
            forget(at);
            return;
        }
    }
}

void failure_track_rejections(JSRuntime *runtime) {
    JS_SetHostPromiseRejectionTracker(runtime, track, NULL);
}

void failure_log_rejections(void) {
    JSContext *context = engine.context;
    bool is_pending = JS_HasException(context);
    JSValue pending = is_pending ? JS_GetException(context) : JS_UNDEFINED;
    while (rejection_count > 0) {
        log_unhandled(rejections[0].reason);
        forget(0);
    }
    if (is_pending) {
        JS_Throw(context, pending);
    }
}
