/* What `import` finds. */
#ifndef TOOLWRIGHT_MODULES_H
#define TOOLWRIGHT_MODULES_H

#include "engine.h"

/* Makes `import` follow the rules: the prelude may import the natives, a tool only "toolwright". */
void modules_set_rules(JSRuntime *runtime);

/* Declares the module "toolwright". What it exports is what the namespace of the prelude has under the same names. False where memory
 * ran out. */
bool modules_declare_api(JSContext *context, JSValueConst prelude);

#endif
