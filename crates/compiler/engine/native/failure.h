/* From what JavaScript threw to the record `tool-error`. */
#ifndef TOOLWRIGHT_FAILURE_H
#define TOOLWRIGHT_FAILURE_H

#include "engine.h"

/* Takes the exception that is pending and describes it. `doing` stands before its message ("the arguments cannot be read as JSON"), NULL for
 * nothing. Never fails: what cannot be described is said to be so. The texts are given back by `failure_free`. */
struct tool_error failure_take(const char *doing);

void failure_free(struct tool_error error);

/* Takes the exception that is pending and writes it to the log, because nobody is there to catch it. */
void failure_log_uncaught(void);

/* Remembers rejected promises that nobody handles. */
void failure_track_rejections(JSRuntime *runtime);

/* Writes those that are still not handled to the log, and forgets them. An exception that is pending stays so. */
void failure_log_rejections(void);

#endif
