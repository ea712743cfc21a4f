#include "modules.h"

#include "natives.h"

#define API_MODULE "toolwright"

static const char *const API_NAMES[] = {"tool", "ToolError"};
enum { API_COUNT = sizeof API_NAMES / sizeof API_NAMES[0] };

/* QuickJS asks this for every import, static and dynamic, before it looks among the modules it has: so it is the gate. Modules that may
 * pass are declared already, and there is no loader. */
static char *pass(JSContext *context, const char *importer, const char *name, void *opaque) {
    (void)importer, (void)opaque;
    bool is_known = engine.phase == PHASE_BOOT ? strcmp(name, NATIVE_MODULE) == 0 : strcmp(name, API_MODULE) == 0;
    if (is_known) {
        return js_strdup(context, name);
    }
    JS_ThrowReferenceError(context, "cannot import \"%.100s\": the only module is \"" API_MODULE "\"", name);
    return NULL;
}

void modules_set_rules(JSRuntime *runtime) {
    JS_SetModuleLoaderFunc(runtime, pass, NULL, NULL);
}

static int fill_api(JSContext *context, JSModuleDef *module) {
    JSValue prelude = JS_GetModulePrivateValue(context, module);
    int failed = 0;
    for (int at = 0; at < API_COUNT && failed == 0; at++) {
        failed = JS_SetModuleExport(context, module, API_NAMES[at], JS_GetPropertyStr(context, prelude, API_NAMES[at]));
    }
    JS_FreeValue(context, prelude);
    return failed;
}

bool modules_declare_api(JSContext *context, JSValueConst prelude) {
    JSModuleDef *module = JS_NewCModule(context, API_MODULE, fill_api);
    if (module == NULL || JS_SetModulePrivateValue(context, module, JS_DupValue(context, prelude)) < 0) {
        return false;
    }
    for (int at = 0; at < API_COUNT; at++) {
        if (JS_AddModuleExport(context, module, API_NAMES[at]) < 0) {
            return false;
        }
    }
    return true;
}
