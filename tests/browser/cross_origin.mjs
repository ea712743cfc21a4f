// Calls a running installation from pages of two other origins, in a real Chromium: one is listed in `http.origins`, the other is not.
//
//   node cross_origin.mjs --url URL --listed PORT --server SLUG --key KEY     the page that is listed is http://localhost:PORT
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const { values } = parseArgs({
  options: { url: { type: "string" }, listed: { type: "string" }, server: { type: "string" }, key: { type: "string" } },
});
const base = values.url;
const mcp = `${base}/mcp/${values.server}`;

function ok(check) {
  console.log(JSON.stringify({ check, ok: true }));
}

function expect(condition, what) {
  if (!condition) throw new Error(typeof what === "string" ? what : JSON.stringify(what));
}

async function site(port) {
  const server = createServer((_, answer) => answer.setHeader("content-type", "text/html").end("<title>an app</title>"));
  await new Promise((resolve) => server.listen(port, "localhost", resolve));
  return `http://localhost:${server.address().port}/`;
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-features=LocalNetworkAccessChecks"],
});
const context = await browser.newContext();

async function open(port) {
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  await page.goto(await site(port));
  return page;
}

// What a page gets by fetch: status, some headers and text; or the browser's refusal.
function ask(page, url, options = {}) {
  return page.evaluate(async ([url, options]) => {
    try {
      const answer = await fetch(url, options);
      const headers = {};
      for (const name of ["www-authenticate", "x-request-id", "mcp-session-id", "ratelimit", "retry-after", "allow"]) {
        headers[name] = answer.headers.get(name);
      }
      return { status: answer.status, headers, text: await answer.text() };
    } catch (error) {
      return { refused: String(error) };
    }
  }, [url, options]);
}

function message(method, params = {}, more = {}) {
  const meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
  };
  return {
    method: "POST",
    headers: {
      "content-type": "application/json", accept: "application/json, text/event-stream", "mcp-protocol-version": "2026-07-28",
      "mcp-method": method, ...(params.name ? { "mcp-name": params.name } : {}), authorization: `Bearer ${values.key}`, ...more,
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: meta } }),
  };
}

const listed = await open(Number(values.listed));
const foreign = await open(0);

const called = await ask(listed, mcp, message("tools/call", { name: "add", arguments: { n: 1 } }));
expect(called.status === 200 && JSON.parse(called.text).result.structuredContent.sum === 41, called);
expect(called.headers["x-request-id"]?.length === 36, called);
ok("a page that is listed calls a tool and reads the answer");

const opened = await ask(listed, mcp, {
  method: "POST",
  headers: { "content-type": "application/json", accept: "application/json, text/event-stream", authorization: `Bearer ${values.key}` },
  body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: {
    protocolVersion: "2025-11-25", capabilities: { elicitation: {} }, clientInfo: { name: "page", version: "1" } } }),
});
expect(opened.status === 200 && opened.headers["mcp-session-id"], opened);
const ended = await ask(listed, mcp, {
  method: "DELETE", headers: { authorization: `Bearer ${values.key}`, "mcp-session-id": opened.headers["mcp-session-id"] },
});
expect(ended.status === 405, ended);
ok("it opens a session of 2025-11-25, and reads that there is none to end");

const stream = await listed.evaluate(async ([url, key]) => {
  const stop = new AbortController();
  const answer = await fetch(url, { signal: stop.signal, headers: {
    accept: "text/event-stream", authorization: `Bearer ${key}`, "mcp-protocol-version": "2025-11-25", "last-event-id": "7" } });
  const found = [answer.status, answer.headers.get("content-type")];
  stop.abort();
  return found;
}, [mcp, values.key]);
expect(stream[0] === 200 && stream[1] === "text/event-stream", stream);
ok("it opens a stream of events");

const challenged = await ask(listed, mcp, message("tools/list", {}, { authorization: "Bearer wrong" }));
expect(challenged.status === 401 && challenged.headers["www-authenticate"]?.includes("resource_metadata="), challenged);
ok("it reads how it gets a token");

const envHeader = await ask(listed, mcp, message("tools/list", {}, { "x-env-nothing": "x" }));
const parameter = await ask(listed, mcp, message("tools/list", {}, { "mcp-param-region": "eu" }));
expect(envHeader.status === 400 || envHeader.status === 200, envHeader);
expect(parameter.status === 200, parameter);
ok("headers whose names depend on the tool may be sent");

const other = await ask(listed, mcp, message("tools/list", {}, { "x-other": "x" }));
const withCookies = await ask(listed, mcp, { ...message("tools/list"), credentials: "include" });
expect(other.refused && withCookies.refused, { other, withCookies });
ok("other headers and cookies may not");

const rest = await ask(listed, `${base}/api/v1/servers`, { headers: { authorization: `Bearer ${values.key}` } });
expect(rest.status === 200 && JSON.parse(rest.text).items.length === 1, rest);
ok("it reads REST with a key");

const metadata = `${base}/.well-known/oauth-protected-resource/mcp/${values.server}`;
for (const [name, page] of [["a listed", listed], ["any other", foreign]]) {
  const found = await ask(page, metadata, { headers: { "mcp-protocol-version": "2025-11-25" } });
  expect(found.status === 200 && JSON.parse(found.text).resource === mcp, found);
  for (const path of ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/oauth/jwks"]) {
    expect((await ask(page, base + path)).status === 200, path);
  }
  const registered = await ask(page, `${base}/oauth/register`, {
    method: "POST", headers: { "content-type": "application/json" },
    body: JSON.stringify({ client_name: "Page", redirect_uris: ["http://localhost:7777/cb"], token_endpoint_auth_method: "none" }),
  });
  expect(registered.status === 201, registered);
  const client = JSON.parse(registered.text).client_id;
  const form = (fields) => ({ method: "POST", body: new URLSearchParams(fields).toString(),
    headers: { "content-type": "application/x-www-form-urlencoded" } });
  const token = await ask(page, `${base}/oauth/token`, form({ grant_type: "refresh_token", refresh_token: "x", client_id: client }));
  const revoked = await ask(page, `${base}/oauth/revoke`, form({ token: "x", client_id: client }));
  expect(token.status === 400 && JSON.parse(token.text).error === "invalid_grant" && revoked.status === 200, { token, revoked });
  ok(`${name} page finds the authorization server, registers, and reads what it answers`);
}

for (const [what, asked] of [
  ["a call", await ask(foreign, mcp, message("tools/call", { name: "add", arguments: { n: 1 } }))],
  ["a simple request", await ask(foreign, mcp)],
  ["REST", await ask(foreign, `${base}/api/v1/servers`, { headers: { authorization: `Bearer ${values.key}` } })],
]) {
  expect(asked.refused, `${what}: ${JSON.stringify(asked)}`);
}
ok("a page that is not listed gets nothing");

for (const page of [listed, foreign]) {
  for (const path of ["/sign-in", "/account", "/oauth/consent?request=x", "/health/ready", "/metrics"]) {
    const asked = await ask(page, base + path);
    expect(asked.refused, `${path}: ${JSON.stringify(asked)}`);
  }
}
ok("the pages for people, health and figures are for nobody's pages");

await browser.close();
process.exit(0);
