#include "natives.h"

#include "plain_url.h"
#include "request_text.h"
#include "response_head.h"
#include "utf8.h"
#include "values.h"

#define NATIVE(name) static JSValue name(JSContext *context, JSValueConst this, int count, JSValueConst *arguments)
#define UNUSED (void)this, (void)count

/* No header that is in use has a name so long. */
enum { HEADER_NAME_BYTES_MAX = 256 };

/* The host's texts are its own allocations, made through `cabi_realloc`. */
static JSValue take_string(JSContext *context, struct text text) {
    JSValue string = JS_NewStringLen(context, text.start, text.length);
    abi_free(text);
    return string;
}

static JSValue throw_text(JSContext *context, struct text message) {
    JSValue error = JS_NewError(context);
    if (JS_IsException(error)) {
        abi_free(message);
        return error;
    }
    JS_DefinePropertyValueStr(context, error, "message", take_string(context, message), JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE);
    return JS_Throw(context, error);
}

/* log(level: 0..3, message) */
NATIVE(native_log) {
    UNUSED;
    uint32_t level = LOG_INFO;
    if (JS_ToUint32(context, &level, arguments[0]) < 0) {
        return JS_EXCEPTION;
    }
    struct text message = text_of(context, arguments[1]);
    if (message.start == NULL) {
        return JS_EXCEPTION;
    }
    host_log(level > LOG_ERROR ? LOG_ERROR : level, message.start, message.length);
    text_free(context, message);
    return JS_UNDEFINED;
}

/* progress(progress, total | undefined, message | undefined) */
NATIVE(native_progress) {
    UNUSED;
    double progress = 0, total = 0;
    bool has_total = !JS_IsUndefined(arguments[1]), has_message = !JS_IsUndefined(arguments[2]);
    if (JS_ToFloat64(context, &progress, arguments[0]) < 0 || (has_total && JS_ToFloat64(context, &total, arguments[1]) < 0)) {
        return JS_EXCEPTION;
    }
    struct text message = {"", 0};
    if (has_message && (message = text_of(context, arguments[2])).start == NULL) {
        return JS_EXCEPTION;
    }
    host_progress(progress, has_total, total, has_message, message.start, message.length);
    if (has_message) {
        text_free(context, message);
    }
    return JS_UNDEFINED;
}

/* config(name) -> string | undefined */
NATIVE(native_config) {
    UNUSED;
    struct text name = text_of(context, arguments[0]);
    if (name.start == NULL) {
        return JS_EXCEPTION;
    }
    struct optional_text value;
    host_config(name.start, name.length, &value);
    text_free(context, name);
    return value.is_some ? take_string(context, value.text) : JS_UNDEFINED;
}

/* now() -> milliseconds since the epoch, with their fraction */
NATIVE(native_now) {
    UNUSED, (void)arguments, (void)context;
    return JS_NewFloat64(context, (double)host_now() / 1000.0);
}

/* randomFill(bytes: Uint8Array of 65536 at most) */
NATIVE(native_random_fill) {
    UNUSED;
    struct text target = bytes_of(context, arguments[0]);
    if (target.start == NULL) {
        return JS_EXCEPTION;
    }
    struct text bytes;
    host_random((uint32_t)target.length, &bytes);
    if (bytes.length != target.length) {
        __builtin_trap();
    }
    memcpy(target.start, bytes.start, bytes.length);
    abi_free(bytes);
    return JS_UNDEFINED;
}

/* digest(algorithm, data: Uint8Array) -> ArrayBuffer */
NATIVE(native_digest) {
    UNUSED;
    struct text algorithm = text_of(context, arguments[0]);
    if (algorithm.start == NULL) {
        return JS_EXCEPTION;
    }
    struct text data = bytes_of(context, arguments[1]);
    struct text_result digest = {1, {NULL, 0}};
    if (data.start != NULL) {
        host_digest(algorithm.start, algorithm.length, (const uint8_t *)data.start, data.length, &digest);
    }
    text_free(context, algorithm);
    if (data.start == NULL) {
        return JS_EXCEPTION;
    }
    if (digest.is_error) {
        return throw_text(context, digest.text);
    }
    JSValue buffer = JS_NewArrayBufferCopy(context, (const uint8_t *)digest.text.start, digest.text.length);
    abi_free(digest.text);
    return buffer;
}

static JSValue handle_or_throw(JSContext *context, struct start_result result) {
    return result.is_error ? throw_text(context, result.error) : JS_NewUint32(context, result.handle);
}

/* start(operation: string of JSON) -> handle */
NATIVE(native_start) {
    UNUSED;
    struct text operation = text_of(context, arguments[0]);
    if (operation.start == NULL) {
        return JS_EXCEPTION;
    }
    struct start_result result;
    host_start(operation.start, operation.length, &result);
    text_free(context, operation);
    return handle_or_throw(context, result);
}

/* cancel(handle) */
NATIVE(native_cancel) {
    UNUSED;
    uint32_t handle = 0;
    if (JS_ToUint32(context, &handle, arguments[0]) < 0) {
        return JS_EXCEPTION;
    }
    host_cancel(handle);
    return JS_UNDEFINED;
}

/* secret(name) -> a placeholder */
NATIVE(native_secret) {
    UNUSED;
    struct text name = text_of(context, arguments[0]);
    if (name.start == NULL) {
        return JS_EXCEPTION;
    }
    struct text_result placeholder;
    host_secret(name.start, name.length, &placeholder);
    text_free(context, name);
    return placeholder.is_error ? throw_text(context, placeholder.text) : take_string(context, placeholder.text);
}

/* basicAuth(user, name) -> a placeholder */
NATIVE(native_basic_auth) {
    UNUSED;
    struct text user = text_of(context, arguments[0]);
    if (user.start == NULL) {
        return JS_EXCEPTION;
    }
    struct text name = text_of(context, arguments[1]);
    if (name.start == NULL) {
        text_free(context, user);
        return JS_EXCEPTION;
    }
    struct text_result placeholder;
    host_basic_auth(user.start, user.length, name.start, name.length, &placeholder);
    text_free(context, user);
    text_free(context, name);
    return placeholder.is_error ? throw_text(context, placeholder.text) : take_string(context, placeholder.text);
}

/* A Uint8Array of the host's bytes, which are given back. */
static JSValue take_bytes(JSContext *context, struct text bytes) {
    JSValue array = JS_NewUint8ArrayCopy(context, (const uint8_t *)bytes.start, bytes.length);
    abi_free(bytes);
    return array;
}

/* hmac(algorithm, name, data: Uint8Array) -> Uint8Array */
NATIVE(native_hmac) {
    UNUSED;
    struct text algorithm = text_of(context, arguments[0]);
    if (algorithm.start == NULL) {
        return JS_EXCEPTION;
    }
    struct text name = text_of(context, arguments[1]);
    struct text data = name.start == NULL ? (struct text){NULL, 0} : bytes_of(context, arguments[2]);
    struct text_result code = {1, {NULL, 0}};
    if (data.start != NULL) {
        host_hmac(algorithm.start, algorithm.length, name.start, name.length, (const uint8_t *)data.start, data.length, &code);
    }
    text_free(context, algorithm);
    text_free(context, name);
    if (data.start == NULL) {
        return JS_EXCEPTION;
    }
    return code.is_error ? throw_text(context, code.text) : take_bytes(context, code.text);
}

/* fetch(url, method, redirect, headers: array of pairs | undefined, body: Uint8Array | undefined) -> handle */
NATIVE(native_fetch) {
    UNUSED;
    struct text body = JS_IsUndefined(arguments[4]) ? (struct text){"", 0} : bytes_of(context, arguments[4]);
    if (body.start == NULL) {
        return JS_EXCEPTION;
    }
    struct text request = request_text(context, arguments[0], arguments[1], arguments[2], arguments[3]);
    if (request.start == NULL) {
        return JS_EXCEPTION;
    }
    struct start_result result;
    host_fetch(request.start, request.length, (const uint8_t *)body.start, body.length, &result);
    js_free(context, request.start);
    return handle_or_throw(context, result);
}

static JSValue string_or_null(JSContext *context, struct text text) {
    return text.start == NULL ? JS_NULL : JS_NewStringLen(context, text.start, text.length);
}

/* plainUrl(text) -> [scheme, host, port | null, path, query | null, fragment | null]; undefined where it is no plain URL (plain_url.h) */
NATIVE(native_plain_url) {
    UNUSED;
    struct text url = text_of(context, arguments[0]);
    if (url.start == NULL) {
        return JS_EXCEPTION;
    }
    struct plain_url parts;
    JSValue result = JS_UNDEFINED;
    if (plain_url_read(url, &parts)) {
        JSValue values[] = {
            string_or_null(context, parts.scheme),
            string_or_null(context, parts.host),
            parts.digits.start == NULL ? JS_NULL : JS_NewUint32(context, parts.port),
            string_or_null(context, parts.path),
            string_or_null(context, parts.query),
            string_or_null(context, parts.fragment),
        };
        result = JS_NewArrayFrom(context, sizeof values / sizeof values[0], values);
    }
    text_free(context, url);
    return result;
}

/* isNormalUrl(text) -> whether it is a plain URL, and written as the standard would write it */
NATIVE(native_is_normal_url) {
    UNUSED;
    struct text url = text_of(context, arguments[0]);
    if (url.start == NULL) {
        return JS_EXCEPTION;
    }
    struct plain_url parts;
    bool is_normal = plain_url_read(url, &parts) && parts.is_normal;
    text_free(context, url);
    return JS_NewBool(context, is_normal);
}

/* responseHead(text of JSON) -> its value; undefined where JSON.parse is to be asked (response_head.h) */
NATIVE(native_response_head) {
    UNUSED;
    struct text text = text_of(context, arguments[0]);
    if (text.start == NULL) {
        return JS_EXCEPTION;
    }
    JSValue head = response_head_read(context, text);
    text_free(context, text);
    return head;
}

/* read(body) -> handle */
NATIVE(native_read) {
    UNUSED;
    uint32_t body = 0;
    if (JS_ToUint32(context, &body, arguments[0]) < 0) {
        return JS_EXCEPTION;
    }
    struct start_result result;
    host_read(body, &result);
    return handle_or_throw(context, result);
}

/* take(handle of a read that has ended) -> Uint8Array */
NATIVE(native_take) {
    UNUSED;
    uint32_t operation = 0;
    if (JS_ToUint32(context, &operation, arguments[0]) < 0) {
        return JS_EXCEPTION;
    }
    struct text bytes;
    host_take(operation, &bytes);
    return take_bytes(context, bytes);
}

/* close(body) */
NATIVE(native_close) {
    UNUSED;
    uint32_t body = 0;
    if (JS_ToUint32(context, &body, arguments[0]) < 0) {
        return JS_EXCEPTION;
    }
    host_close(body);
    return JS_UNDEFINED;
}

/* find(bytes: Uint8Array, part: Uint8Array of one byte at least, from) -> where it stands from there on, -1 where it does not */
NATIVE(native_find) {
    UNUSED;
    uint32_t from = 0;
    struct text bytes = bytes_of(context, arguments[0]), part = bytes_of(context, arguments[1]);
    if (bytes.start == NULL || part.start == NULL || JS_ToUint32(context, &from, arguments[2]) < 0) {
        return JS_EXCEPTION;
    }
    const char *at = bytes.start + (from < bytes.length ? from : bytes.length), *end = bytes.start + bytes.length;
    while (part.length != 0 && (size_t)(end - at) >= part.length) {
        at = memchr(at, part.start[0], (size_t)(end - at) - part.length + 1);
        if (at == NULL) {
            break;
        }
        if (memcmp(at, part.start, part.length) == 0) {
            return JS_NewInt64(context, at - bytes.start);
        }
        at++;
    }
    return JS_NewInt32(context, -1);
}

/* Whether a byte may stand in the name of a header or a method (RFC 9110, 5.6.2). */
static bool is_token_byte(uint8_t byte) {
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

/* headerName(text) -> it in lower case; undefined where it is no token */
NATIVE(native_header_name) {
    UNUSED;
    struct text name = text_of(context, arguments[0]);
    if (name.start == NULL) {
        return JS_EXCEPTION;
    }
    char lower[HEADER_NAME_BYTES_MAX];
    bool is_name = name.length > 0 && name.length <= sizeof lower;
    for (size_t at = 0; is_name && at < name.length; at++) {
        is_name = is_token_byte((uint8_t)name.start[at]);
        lower[at] = (char)tolower((uint8_t)name.start[at]);
    }
    JSValue result = is_name ? JS_NewStringLen(context, lower, name.length) : JS_UNDEFINED;
    text_free(context, name);
    return result;
}

static bool is_header_space(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* headerValue(text) -> it without white space around; undefined where it has line breaks, zeros, or characters above U+00FF */
NATIVE(native_header_value) {
    UNUSED;
    struct text value = text_of(context, arguments[0]);
    if (value.start == NULL) {
        return JS_EXCEPTION;
    }
    const char *start = value.start, *end = value.start + value.length;
    while (start < end && is_header_space(*start)) {
        start++;
    }
    while (start < end && is_header_space(end[-1])) {
        end--;
    }
    bool is_value = true;
    for (const char *byte = start; byte < end; byte++) {
        /* The first byte of what is above U+00FF in UTF-8 is C4 or more. */
        is_value = is_value && *byte != 0 && *byte != '\r' && *byte != '\n' && (uint8_t)*byte < 0xC4;
    }
    JSValue result = is_value ? JS_NewStringLen(context, start, (size_t)(end - start)) : JS_UNDEFINED;
    text_free(context, value);
    return result;
}

/* isBuilding() -> whether this is the build of a tool, for which the host does nothing but log */
NATIVE(native_is_building) {
    UNUSED, (void)arguments, (void)context;
    return JS_NewBool(context, engine.phase != PHASE_RUN);
}

/* classOf(value) -> the name of the object's internal class ("Map", "Error", "Uint8Array"), which no tool can change; "Proxy" for a proxy
 * of anything; undefined for what is not an object */
NATIVE(native_class_of) {
    UNUSED;
    if (JS_IsProxy(arguments[0])) {
        return JS_NewString(context, "Proxy");
    }
    JSAtom name = JS_GetClassName(engine.runtime, JS_GetClassID(arguments[0]));
    if (name == JS_ATOM_NULL) {
        return JS_UNDEFINED;
    }
    JSValue string = JS_AtomToString(context, name);
    JS_FreeAtom(context, name);
    return string;
}

/* isScripted(value) -> whether it is a function that was written in JavaScript, and neither asynchronous nor a generator */
NATIVE(native_is_scripted) {
    UNUSED;
    return JS_NewBool(context, JS_GetClassID(arguments[0]) == JS_GetClassID(engine.failure));
}

/* encodeUtf8(string) -> Uint8Array */
NATIVE(native_encode_utf8) {
    UNUSED;
    struct text text = text_of(context, arguments[0]);
    if (text.start == NULL) {
        return JS_EXCEPTION;
    }
    JSValue bytes = JS_NewUint8ArrayCopy(context, (const uint8_t *)text.start, text.length);
    text_free(context, text);
    return bytes;
}

/* decodeUtf8(bytes: Uint8Array) -> string, with U+FFFD for what is not UTF-8 */
NATIVE(native_decode_utf8) {
    UNUSED;
    struct text bytes = bytes_of(context, arguments[0]);
    if (bytes.start == NULL) {
        return JS_EXCEPTION;
    }
    if (utf8_is_well_formed(bytes)) {
        return JS_NewStringLen(context, bytes.start, bytes.length);
    }
    char *repaired = js_malloc(context, utf8_repaired_bytes_max(bytes.length));
    if (repaired == NULL) {
        return JS_EXCEPTION;
    }
    JSValue string = JS_NewStringLen(context, repaired, utf8_repair(bytes, repaired));
    js_free(context, repaired);
    return string;
}

/* isUtf8(bytes: Uint8Array) -> boolean */
NATIVE(native_is_utf8) {
    UNUSED;
    struct text bytes = bytes_of(context, arguments[0]);
    return bytes.start == NULL ? JS_EXCEPTION : JS_NewBool(context, utf8_is_well_formed(bytes));
}

/* unfinishedUtf8(bytes: Uint8Array) -> how many bytes at the end begin a character whose rest is missing */
NATIVE(native_unfinished_utf8) {
    UNUSED;
    struct text bytes = bytes_of(context, arguments[0]);
    return bytes.start == NULL ? JS_EXCEPTION : JS_NewUint32(context, (uint32_t)utf8_unfinished(bytes));
}

/* The generator behind `Math.random`: xorshift128+, as in other engines. It is not for keys; `crypto` is. */
static struct {
    uint64_t a, b;
    bool is_seeded;
} generator;

void natives_forget_seed(void) {
    generator.is_seeded = false;
}

/* While a tool is built the seed is fixed, so that the same source gives the same snapshot. A running tool takes its seed from the host,
 * at the first use: otherwise all calls of a tool would see the numbers that the snapshot froze. */
static void seed_generator(void) {
    generator.a = 0x9E3779B97F4A7C15, generator.b = 0xD1B54A32D192ED03;
    if (engine.phase == PHASE_RUN) {
        struct text bytes;
        host_random(16, &bytes);
        memcpy(&generator.a, bytes.start, 8);
        memcpy(&generator.b, bytes.start + 8, 8);
        abi_free(bytes);
        generator.b |= 1; /* all zeros would stay zeros */
    }
    generator.is_seeded = true;
}

/* random() -> 0 <= number < 1 */
NATIVE(native_random) {
    UNUSED, (void)arguments;
    if (!generator.is_seeded) {
        seed_generator();
    }
    uint64_t a = generator.a, b = generator.b;
    generator.a = b;
    a ^= a << 23;
    generator.b = a ^ b ^ (a >> 17) ^ (b >> 26);
    return JS_NewFloat64(context, (double)((generator.b + b) >> 11) * 0x1p-53);
}

static const JSCFunctionListEntry NATIVES[] = {
    JS_CFUNC_DEF("log", 2, native_log),
    JS_CFUNC_DEF("progress", 3, native_progress),
    JS_CFUNC_DEF("config", 1, native_config),
    JS_CFUNC_DEF("now", 0, native_now),
    JS_CFUNC_DEF("randomFill", 1, native_random_fill),
    JS_CFUNC_DEF("digest", 2, native_digest),
    JS_CFUNC_DEF("start", 1, native_start),
    JS_CFUNC_DEF("cancel", 1, native_cancel),
    JS_CFUNC_DEF("secret", 1, native_secret),
    JS_CFUNC_DEF("basicAuth", 2, native_basic_auth),
    JS_CFUNC_DEF("hmac", 3, native_hmac),
    JS_CFUNC_DEF("fetch", 5, native_fetch),
    JS_CFUNC_DEF("plainUrl", 1, native_plain_url),
    JS_CFUNC_DEF("isNormalUrl", 1, native_is_normal_url),
    JS_CFUNC_DEF("responseHead", 1, native_response_head),
    JS_CFUNC_DEF("read", 1, native_read),
    JS_CFUNC_DEF("take", 1, native_take),
    JS_CFUNC_DEF("close", 1, native_close),
    JS_CFUNC_DEF("find", 3, native_find),
    JS_CFUNC_DEF("headerName", 1, native_header_name),
    JS_CFUNC_DEF("headerValue", 1, native_header_value),
    JS_CFUNC_DEF("isBuilding", 0, native_is_building),
    JS_CFUNC_DEF("classOf", 1, native_class_of),
    JS_CFUNC_DEF("isScripted", 1, native_is_scripted),
    JS_CFUNC_DEF("encodeUtf8", 1, native_encode_utf8),
    JS_CFUNC_DEF("decodeUtf8", 1, native_decode_utf8),
    JS_CFUNC_DEF("isUtf8", 1, native_is_utf8),
    JS_CFUNC_DEF("unfinishedUtf8", 1, native_unfinished_utf8),
    JS_CFUNC_DEF("random", 0, native_random),
};

enum { NATIVES_COUNT = sizeof NATIVES / sizeof NATIVES[0] };

static int natives_fill(JSContext *context, JSModuleDef *module) {
    return JS_SetModuleExportList(context, module, NATIVES, NATIVES_COUNT);
}

bool natives_declare(JSContext *context) {
    JSModuleDef *module = JS_NewCModule(context, NATIVE_MODULE, natives_fill);
    return module != NULL && JS_AddModuleExportList(context, module, NATIVES, NATIVES_COUNT) == 0;
}
