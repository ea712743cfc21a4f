#include "jobs.h"

#include "failure.h"

/* What the prelude answers when it is asked what to do while no job is waiting. */
enum idle_answer {
    IDLE_NOTHING, /* nothing is under way: no timer, no host operation */
    IDLE_WAIT,    /* a host operation is under way */
    IDLE_AGAIN,   /* timers were due and have run */
};

static void run_jobs(void) {
    JSContext *context;
    int state;
    while ((state = JS_ExecutePendingJob(engine.runtime, &context)) != 0) {
        if (state < 0) {
            failure_log_uncaught();
        }
    }
}

/* Stops until any host operation has ended, and hands its result to the prelude. */
static void wait_for_host(void) {
    JSContext *context = engine.context;
    struct ended_operation ended;
    host_wait(&ended);
    JSValue arguments[] = {
        JS_NewUint32(context, ended.handle),
        JS_NewBool(context, ended.result.is_error),
        JS_NewStringLen(context, ended.result.text.start, ended.result.text.length),
    };
    abi_free(ended.result.text);
    JSValue done = JS_IsException(arguments[2]) ? JS_EXCEPTION : JS_Call(context, engine.ended, JS_UNDEFINED, 3, arguments);
    JS_FreeValue(context, arguments[2]);
    if (JS_IsException(done)) {
        failure_log_uncaught();
    }
    JS_FreeValue(context, done);
}

/* Runs what can be run while no job is waiting. False, with an exception pending, where there is nothing, or the host refuses to wait. */
static bool make_progress(void) {
    int32_t answer = IDLE_NOTHING;
    JSValue value = JS_Call(engine.context, engine.idle, JS_UNDEFINED, 0, NULL);
    if (JS_IsException(value)) {
        return false;
    }
    JS_ToInt32(engine.context, &answer, value);
    if (answer == IDLE_WAIT) {
        wait_for_host();
    }
    if (answer == IDLE_NOTHING) {
        JS_ThrowPlainError(engine.context, "deadlock: a promise is awaited that nothing can settle any more, because no timer and no "
                                           "host operation is under way");
    }
    return answer != IDLE_NOTHING;
}

/* A promise for `value` where it has a method `then`, as `await` would see it; `value` itself otherwise. */
static JSValue adopt(JSValue value) {
    JSContext *context = engine.context;
    if (!JS_IsObject(value) || JS_IsPromise(value)) {
        return value;
    }
    JSValue then = JS_GetProperty(context, value, engine.then);
    bool is_thenable = JS_IsFunction(context, then);
    bool has_thrown = JS_IsException(then);
    JS_FreeValue(context, then);
    if (!is_thenable && !has_thrown) {
        return value;
    }
    JSValue promise = has_thrown ? JS_EXCEPTION : JS_Call(context, engine.adopt, JS_UNDEFINED, 1, &value);
    JS_FreeValue(context, value);
    return promise;
}

JSValue jobs_await(JSValue value) {
    JSContext *context = engine.context;
    JSValue promise = adopt(value);
    if (!JS_IsPromise(promise)) {
        /* Jobs throw and catch as well: what is pending is set aside, or they would take it away. */
        bool has_thrown = JS_IsException(promise);
        JSValue pending = has_thrown ? JS_GetException(context) : JS_UNDEFINED;
        run_jobs();
        return has_thrown ? JS_Throw(context, pending) : promise;
    }
    JS_PromiseMarkAsHandled(context, promise);
    run_jobs();
    while (JS_PromiseState(context, promise) == JS_PROMISE_PENDING) {
        if (!make_progress()) {
            JS_FreeValue(context, promise);
            return JS_EXCEPTION;
        }
        run_jobs();
    }
    JSPromiseStateEnum state = JS_PromiseState(context, promise);
    JSValue result = JS_PromiseResult(context, promise);
    JS_FreeValue(context, promise);
    return state == JS_PROMISE_REJECTED ? JS_Throw(context, result) : result;
}
