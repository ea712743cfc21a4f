/* What the host says of the answer to a request (wit/tool.wit). */
#ifndef TOOLWRIGHT_RESPONSE_HEAD_H
#define TOOLWRIGHT_RESPONSE_HEAD_H

#include "engine.h"

/* The value of such a text of JSON: [status, status text, URL, whether it was redirected, body | null, what has begun, [name, value, ...]].
 * It is what the language's own function reads, at a third of the steps, which every request pays. Undefined where the text is of any
 * other form, or a string in it has an escape: then that function is to be asked. */
JSValue response_head_read(JSContext *context, struct text text);

#endif
