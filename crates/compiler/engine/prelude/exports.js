// What the rest of the engine takes from this prelude: `tool`, `resource`, `prompt` and `ToolError` become the module "toolwright", the rest is called by the C.
export { accept, adopt, answer, complete, ctx, ended, failure, idle, prompt, remember, resource, tool, ToolError, unhandled };
