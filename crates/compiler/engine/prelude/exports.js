// What the rest of the engine takes from this prelude: `tool` and `ToolError` become the module "toolwright", the rest is called by the C.
export { accept, adopt, ctx, ended, failure, idle, remember, tool, ToolError, unhandled };
