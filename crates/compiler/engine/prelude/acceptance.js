// From a module to what the engine calls.

/** The definition that this engine runs. */
let accepted;
/** The arguments of the call that is under way, for those whose answer names them. */
let currentArguments;

/** Takes the namespace of the tool's module. Gives [the tool, its `run`, its interface as JSON]. */
function accept(namespace) {
  accepted = Offered.definitionOf(namespace.default);
  if (accepted === undefined) {
    const found = "default" in namespace ? `it is ${cut(inspect(namespace.default), 200)}` : "there is none";
    throw new TypeError(
      `the module's default export must be a tool, a resource or a prompt, but ${found}: write export default tool({ name, description, input, run }), with tool imported from "toolwright"`,
    );
  }
  const run = accepted.kind.run(accepted.members);
  return [namespace.default, accepted.kind === RESOURCE ? keepArguments(run) : run, interfaceJson(accepted)];
}

function keepArguments(run) {
  return function (given, ctx) {
    currentArguments = { ...given };
    return run.call(this, given, ctx);
  };
}

/** What `run` gave, as the platform takes it: [whether it is content, a value to be written as JSON]; undefined for a result that is JSON as it is. */
function answer(result) {
  return isContentMade || accepted.kind !== TOOL ? accepted.kind.answer(accepted.members, result, currentArguments) : undefined;
}

/** As many as MCP allows. */
const VALUES_MAX = 100;

/** Values for an argument that is being filled in. `request` is MCP's: {argument: {name, value}, context: {arguments}}. */
async function complete(request) {
  const { argument, context } = request ?? {};
  const { complete: completers = {} } = accepted.members;
  if (typeof argument?.name !== "string" || !Object.hasOwn(completers, argument.name)) {
    return { values: [] };
  }
  const found = await completers[argument.name].call(accepted.members, `${argument.value ?? ""}`, { arguments: { ...context?.arguments } }, ctx);
  const { values, total, hasMore } = Array.isArray(found) ? { values: found } : (found ?? {});
  if (!Array.isArray(values) || !values.every((value) => typeof value === "string")) {
    throw new TypeError(`\`complete.${argument.name}\` must give a list of texts, or { values, total, hasMore }; it gave ${cut(inspect(found), 200)}`);
  }
  const isCut = values.length > VALUES_MAX;
  return { values: values.slice(0, VALUES_MAX), total: total ?? (isCut ? values.length : undefined), hasMore: hasMore ?? (isCut || undefined) };
}
