/* The interface `host` of wit/tool.wit as the canonical ABI lowers it.
 *
 * Texts and lists are a pointer and a length. A function whose result is more than one plain number takes the address of the result
 * as its last parameter. C lays these structures out as the canonical ABI does: the tag is one byte, members are aligned to their size. */
#ifndef TOOLWRIGHT_HOST_H
#define TOOLWRIGHT_HOST_H

#include "abi.h"

#define HOST(name) __attribute__((import_module("toolwright:tool/host@0.1.0"), import_name(name)))

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct optional_text {
    uint8_t is_some;
    struct text text;
};

struct text_result {
    uint8_t is_error;
    struct text text;
};

struct start_result {
    uint8_t is_error;
    union {
        uint32_t handle;
        struct text error;
    };
};

struct ended_operation {
    uint32_t handle;
    struct text_result result;
};

HOST("log") void host_log(uint32_t level, const char *message, size_t message_length);

HOST("progress")
void host_progress(double progress, uint32_t has_total, double total, uint32_t has_message, const char *message, size_t message_length);

HOST("config") void host_config(const char *name, size_t name_length, struct optional_text *value);

HOST("now") uint64_t host_now(void);

HOST("random") void host_random(uint32_t length, struct text *bytes);

HOST("digest")
void host_digest(const char *algorithm, size_t algorithm_length, const uint8_t *data, size_t data_length, struct text_result *digest);

HOST("memory-limit") uint64_t host_memory_limit(void);

HOST("start") void host_start(const char *operation, size_t operation_length, struct start_result *result);

HOST("cancel") void host_cancel(uint32_t handle);

HOST("secret") void host_secret(const char *name, size_t name_length, struct text_result *placeholder);

HOST("basic-auth")
void host_basic_auth(const char *user, size_t user_length, const char *name, size_t name_length, struct text_result *placeholder);

HOST("hmac")
void host_hmac(const char *algorithm, size_t algorithm_length, const char *name, size_t name_length, const uint8_t *data,
               size_t data_length, struct text_result *code);

HOST("fetch")
void host_fetch(const char *request, size_t request_length, const uint8_t *body, size_t body_length, struct start_result *result);

HOST("read") void host_read(uint32_t body, struct start_result *result);

HOST("take") void host_take(uint32_t operation, struct text *bytes);

HOST("close") void host_close(uint32_t body);

HOST("wait") void host_wait(struct ended_operation *ended);

#endif
