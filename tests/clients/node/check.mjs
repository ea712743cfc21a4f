// Uses a server of Toolwright through the TypeScript SDK, and says of each thing whether it went as it should.
//
// Prints one line of JSON a check: {"check": ..., "ok": true | false, "detail": ...}. Exits with 1 if a check failed.
import { parseArgs } from "node:util";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import * as offers from "./offers.mjs";

// What the protocol calls each era, and how this client is told to speak it.
const MODES = { "2025-11-25": "legacy", "2026-07-28": "auto" };

const CHECK_MS_MAX = 30_000;

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

const json = (value) => JSON.stringify(value);
const textOf = (result) => result.content[0].text;

async function greets(client, era) {
  const version = client.getNegotiatedProtocolVersion();
  expect(version === era, `agreed on ${version}`);
  const info = client.getServerVersion();
  expect(info?.name && info?.version, `the server says of itself ${json(info)}`);
  expect(client.getServerCapabilities()?.tools, "the server has no tools");
  return { protocol_version: version, server: info.name };
}

async function lists_tools(client) {
  const { tools } = await client.listTools();
  const names = tools.map((tool) => tool.name);
  expect(json(names) === json([...names].sort()), `not in a stable order: ${names}`);
  for (const name of ["add", "count", "fail", "sleep"]) expect(names.includes(name), `${name} is missing: ${names}`);
  const add = tools.find((tool) => tool.name === "add");
  expect(json(add.inputSchema.required) === '["a","b"]', `input schema ${json(add.inputSchema)}`);
  expect(add.outputSchema?.type === "object", `output schema ${json(add.outputSchema)}`);
  expect(add.title === "Sum" && add.annotations?.readOnlyHint === true, `title and hints of ${json(add)}`);
  return names;
}

async function calls_a_tool(client) {
  const result = await client.callTool({ name: "add", arguments: { a: 2, b: 40.5 } });
  expect(!result.isError, `an error: ${textOf(result)}`);
  expect(json(result.structuredContent) === '{"sum":42.5}', `structured content ${json(result.structuredContent)}`);
  expect(json(JSON.parse(textOf(result))) === '{"sum":42.5}', `text ${textOf(result)}`);
  return result.structuredContent;
}

async function answers_what_it_is_asked(client, asked) {
  const result = await client.callTool({ name: "consult", arguments: {} });
  expect(!result.isError, `an error: ${textOf(result)}`);
  const { action, city, said, model } = result.structuredContent;
  expect(json([action, city, said, model]) === '["accept","Oslo","fjords","a-model"]', `structured content ${json(result.structuredContent)}`);
  expect(json(asked) === '["Which city?","What is Oslo known for?"]', `it was asked ${json(asked)}`);
  return asked;
}

async function hears_of_progress(client) {
  const reports = [];
  const onprogress = ({ progress, total, message }) => reports.push([progress, total, message]);
  const result = await client.callTool({ name: "count", arguments: { to: 5 } }, { onprogress });
  expect(json(result.structuredContent) === '{"counted":5}', `structured content ${json(result.structuredContent)}`);
  const wanted = [1, 2, 3, 4, 5].map((step) => [step, 5, `step ${step}`]);
  expect(json(reports) === json(wanted), `reports ${json(reports)}`);
  return reports.length;
}

async function reads_what_was_wrong_with_the_input(client) {
  const result = await client.callTool({ name: "add", arguments: { a: "two", b: 1 } });
  expect(result.isError === true, "no error");
  expect(textOf(result).includes("a") && textOf(result).includes("number"), `the text does not help: ${textOf(result)}`);
  return textOf(result);
}

async function reads_what_the_tool_said(client) {
  const result = await client.callTool({ name: "fail", arguments: { reason: "the moon is in the wrong place" } });
  expect(result.isError === true, "no error");
  expect(textOf(result).includes("the moon is in the wrong place"), `text ${textOf(result)}`);
  return textOf(result);
}

async function is_told_of_an_unknown_tool(client) {
  const error = await client.callTool({ name: "no_such_tool", arguments: {} }).then(() => undefined, (error) => error);
  expect(error?.code === -32602, `not the error that was wanted: ${error}`);
  return error.message;
}

async function takes_a_call_back(client) {
  const begun = performance.now();
  const patience = new AbortController();
  setTimeout(() => patience.abort(new Error("out of patience")), 500);
  const error = await client
    .callTool({ name: "sleep", arguments: { ms: 8000 } }, { signal: patience.signal })
    .then(() => undefined, (error) => error);
  const took_ms = Math.round(performance.now() - begun);
  expect(error, "the call ended before it was taken back");
  expect(took_ms < 4000, `took ${took_ms} ms`);
  const again = await client.callTool({ name: "add", arguments: { a: 1, b: 1 } });
  expect(json(again.structuredContent) === '{"sum":2}', "the client does not go on after it");
  return took_ms;
}

async function is_refused_without_a_key(url) {
  const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
  const answer = await fetch(url, { method: "POST", headers, body: json({ jsonrpc: "2.0", id: 1, method: "ping" }) });
  const challenge = answer.headers.get("www-authenticate") ?? "";
  expect(answer.status === 401, `status ${answer.status}`);
  expect(challenge.startsWith("Bearer ") && challenge.includes("resource_metadata="), `challenge ${challenge}`);
  return challenge;
}

function deadline() {
  return new Promise((_, reject) => setTimeout(() => reject(new Error(`no end within ${CHECK_MS_MAX} ms`)), CHECK_MS_MAX).unref());
}

async function run({ url, "api-key": apiKey, era }) {
  let failed = false;
  const attempt = async (name, check) => {
    let ok = true;
    let detail;
    try {
      detail = await Promise.race([check(), deadline()]);
    } catch (error) {
      [ok, detail] = [false, String(error)];
    }
    failed ||= !ok;
    console.log(json({ client: "node", era, check: name, ok, detail }));
  };

  const client = new Client({ name: "toolwright-check", version: "0.1.0" }, { capabilities: { elicitation: {}, sampling: {} }, versionNegotiation: { mode: MODES[era] } });
  const [lines, news, asked] = [[], [], []];
  client.setRequestHandler("elicitation/create", async ({ params }) => {
    asked.push(params.message);
    return { action: "accept", content: { city: "Oslo" } };
  });
  client.setRequestHandler("sampling/createMessage", async ({ params }) => {
    asked.push([params.messages[0].content].flat()[0].text);
    return { role: "assistant", content: { type: "text", text: "fjords" }, model: "a-model" };
  });
  client.setNotificationHandler("notifications/message", ({ params }) => lines.push(params));
  client.setNotificationHandler("notifications/tools/list_changed", () => news.push("tools"));
  const requestInit = { headers: { authorization: `Bearer ${apiKey}` } };
  await attempt("greets", async () => {
    await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
    return greets(client, era);
  });
  for (const check of [
    lists_tools,
    calls_a_tool,
    hears_of_progress,
    reads_what_was_wrong_with_the_input,
    reads_what_the_tool_said,
    is_told_of_an_unknown_tool,
    takes_a_call_back,
  ]) {
    await attempt(check.name, () => check(client));
  }
  for (const name of ["shows_content", "reads_resources", "fills_in_a_prompt", "completes_arguments", "hears_of_the_log", "hears_of_changes"]) {
    await attempt(name, () => offers[name]({ client, era, lines, news, url, apiKey }));
  }
  await attempt("answers_what_it_is_asked", () => answers_what_it_is_asked(client, asked));
  await client.close();
  await attempt("is_refused_without_a_key", () => is_refused_without_a_key(url));
  return failed ? 1 : 0;
}

const { values } = parseArgs({
  options: { url: { type: "string" }, "api-key": { type: "string" }, era: { type: "string" } },
});
if (!values.url || !values["api-key"] || !MODES[values.era]) {
  console.error(`usage: node check.mjs --url URL --api-key KEY --era ${Object.keys(MODES).join("|")}`);
  process.exit(2);
}
process.exit(await run(values));
