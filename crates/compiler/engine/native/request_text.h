/* The JSON in which a request goes to the host (wit/tool.wit). */
#ifndef TOOLWRIGHT_REQUEST_TEXT_H
#define TOOLWRIGHT_REQUEST_TEXT_H

#include "engine.h"

/* `headers` is an array of arrays of name and value, names in lower case; or undefined for none. `Accept` is added where it is missing, as
 * browsers do. `start` is NULL where JavaScript threw. To be given back by `js_free`. */
struct text request_text(JSContext *context, JSValueConst url, JSValueConst method, JSValueConst redirect, JSValueConst headers);

#endif
