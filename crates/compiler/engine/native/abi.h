/* Memory that crosses the border between the engine and its host. */
#ifndef TOOLWRIGHT_ABI_H
#define TOOLWRIGHT_ABI_H

#include <stddef.h>
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(name)))

/* A string or a list of bytes, as the canonical ABI has it. */
struct text {
    char *start;
    size_t length;
};

/* The record `tool-error` of wit/tool.wit. */
struct tool_error {
    struct text name;
    struct text message;
    uint32_t line;
    uint32_t column;
    struct text stack;
};

/* `result<string, tool-error>`. */
struct text_or_error {
    uint8_t is_error;
    union {
        struct text text;
        struct tool_error error;
    };
};

/* `answer`: its first case is `json`, its second `content`. */
struct answer {
    uint8_t is_content;
    struct text text;
};

/* `result<answer, tool-error>`. */
struct call_result {
    uint8_t is_error;
    union {
        struct answer answer;
        struct tool_error error;
    };
};

_Static_assert(sizeof(struct tool_error) == 32, "tool-error as the canonical ABI lays it out");
_Static_assert(offsetof(struct text_or_error, text) == 4, "result<string, tool-error> as the canonical ABI lays it out");
_Static_assert(offsetof(struct call_result, answer.text) == 8, "result<answer, tool-error> as the canonical ABI lays it out");

/* Frees what the host wrote through `cabi_realloc`. */
void abi_free(struct text text);

#endif
