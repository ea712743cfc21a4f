/* The event loop. */
#ifndef TOOLWRIGHT_JOBS_H
#define TOOLWRIGHT_JOBS_H

#include "engine.h"

/* Takes `value`; where it is a promise, runs jobs, timers and host operations until it is settled. Gives its result, or JS_EXCEPTION
 * with the reason pending: also where nothing is left that could settle it. */
JSValue jobs_await(JSValue value);

#endif
