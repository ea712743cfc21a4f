/* The module "toolwright:native": what the prelude is given, and a tool never sees. */
#ifndef TOOLWRIGHT_NATIVES_H
#define TOOLWRIGHT_NATIVES_H

#include "engine.h"

#define NATIVE_MODULE "toolwright:native"

/* Declares the module. False where memory ran out. */
bool natives_declare(JSContext *context);

/* From here on `Math.random` takes a new seed from the host before its next number. */
void natives_forget_seed(void);

#endif
