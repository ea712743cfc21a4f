// Lets the TypeScript clients find their own way into a server: from a 401 through registration, sign-in and consent to a tool call, a refresh,
// and a revocation; and a strict client of OAuth look at every answer on that way.
//
// Prints one line of JSON a check, as check.mjs does. Exits with 1 if a check failed. Access tokens must live for a few seconds only.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";
import { Client as SdkClient } from "@modelcontextprotocol/sdk/client/index.js";
import { UnauthorizedError as SdkUnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { StreamableHTTPClientTransport as SdkTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import * as oauth from "oauth4webapi";
import { Browser } from "./browser.mjs";

const CALLBACK = "http://127.0.0.1:53683/callback";
const CLIENT_MS_MAX = 60_000;

const { values: args } = parseArgs({
  options: {
    url: { type: "string" },
    email: { type: "string" },
    password: { type: "string" },
    seconds: { type: "string" },
    document: { type: "string" },
  },
});
const LIFETIME_MS = Number(args.seconds) * 1000;

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

const json = (value) => JSON.stringify(value);

/** What a client keeps, and the person whose browser it opens. */
class Provider {
  browser = new Browser(args.email, args.password);
  opened = 0;
  #kept = {};

  constructor(document) {
    this.clientMetadataUrl = document;
  }

  get redirectUrl() {
    return CALLBACK;
  }

  get clientMetadata() {
    return { client_name: "TypeScript check", redirect_uris: [CALLBACK], grant_types: ["authorization_code", "refresh_token"], token_endpoint_auth_method: "none" };
  }

  state() {
    this.#kept.state ??= crypto.randomUUID();
    return this.#kept.state;
  }

  clientInformation() {
    return this.#kept.client;
  }

  saveClientInformation(client) {
    this.#kept.client = client;
  }

  tokens() {
    return this.#kept.tokens;
  }

  saveTokens(tokens) {
    this.#kept.tokens = tokens;
  }

  saveCodeVerifier(verifier) {
    this.#kept.verifier = verifier;
  }

  codeVerifier() {
    return this.#kept.verifier;
  }

  saveDiscoveryState(state) {
    this.#kept.discovery = state;
  }

  discoveryState() {
    return this.#kept.discovery;
  }

  async redirectToAuthorization(url) {
    this.opened += 1;
    this.back = await this.browser.authorize(url);
    expect(this.back.searchParams.get("state") === this.#kept.state, "the state came back changed");
  }
}

async function sumOf(client) {
  const result = await client.callTool({ name: "add", arguments: { a: 2, b: 40 } });
  expect(!result.isError && json(result.structuredContent) === '{"sum":42}', `answered ${json(result)}`);
  return result.structuredContent;
}

/** The whole way of one SDK; each value is the detail of a check. */
async function session({ makeClient, makeTransport, Unauthorized, finish, document }) {
  const provider = new Provider(document);
  let client = makeClient();
  const first = makeTransport(provider);
  await client.connect(first).then(
    () => expect(false, "it was let in without a token"),
    (error) => expect(error instanceof Unauthorized, `${error.name}: ${error.message}`),
  );
  await finish(first, provider.back);
  client = makeClient();
  await client.connect(makeTransport(provider));
  const found = { calls_a_tool_after_consent: await sumOf(client) };
  const before = provider.tokens();
  expect(before.refresh_token !== undefined, "there is no refresh token");
  const consent = provider.browser.pages.at(-1);
  expect(consent.text.includes("TypeScript check") || document !== undefined, "the consent page does not name the client");
  found.is_asked_for_consent = consent.url.split("?")[0];
  await sleep(LIFETIME_MS);
  found.calls_again_after_a_refresh = await sumOf(client);
  const after = provider.tokens();
  expect(after.access_token !== before.access_token, "the access token is the same");
  expect(after.refresh_token !== before.refresh_token, "the refresh token was not rotated");
  expect(provider.opened === 1, `the person was asked ${provider.opened} times`);
  await client.close();
  found.is_refused_after_revocation = await revoke(provider);
  return found;
}

/** Revokes the refresh token (RFC 7009), which ends the access token with it. */
async function revoke(provider) {
  const metadata = await (await fetch(new URL("/.well-known/oauth-authorization-server", args.url))).json();
  const body = new URLSearchParams({ token: provider.tokens().refresh_token, client_id: provider.clientInformation().client_id });
  const revoked = await fetch(metadata.revocation_endpoint, { method: "POST", body });
  expect(revoked.status === 200, `revocation answered ${revoked.status}`);
  return isRefused(provider.tokens().access_token);
}

async function isRefused(token) {
  let used;
  for (let attempt = 0; attempt < 50; attempt += 1) {
    used = await ping(token);
    if (used.status === 401) break;
    await sleep(50);
  }
  const challenge = used.headers.get("www-authenticate") ?? "";
  expect(used.status === 401 && challenge.includes("invalid_token"), `answered ${used.status} ${challenge}`);
  return challenge;
}

function ping(token) {
  const headers = { authorization: `Bearer ${token}`, accept: "application/json, text/event-stream", "content-type": "application/json" };
  return fetch(args.url, { method: "POST", headers, body: json({ jsonrpc: "2.0", id: 1, method: "ping" }) });
}

const NEW_CLIENT = {
  makeClient: () => new Client({ name: "check", version: "1.0.0" }),
  makeTransport: (authProvider) => new StreamableHTTPClientTransport(new URL(args.url), { authProvider }),
  Unauthorized: UnauthorizedError,
  finish: (transport, back) => transport.finishAuth(back.searchParams),
};
const OLD_SDK = {
  makeClient: () => new SdkClient({ name: "check", version: "1.0.0" }),
  makeTransport: (authProvider) => new SdkTransport(new URL(args.url), { authProvider }),
  Unauthorized: SdkUnauthorizedError,
  finish: (transport, back) => transport.finishAuth(back.searchParams.get("code")),
};

/** The inspector's CLI prints where its person has to go, and listens for them to come back. It asks nobody but at a terminal. */
async function inspector() {
  const home = await mkdtemp(join(tmpdir(), "inspector-"));
  const cli = new URL("node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js", import.meta.url).pathname;
  const call = `'${process.execPath}' '${cli}' --cli '${args.url}' --transport http --method tools/call --tool-name add --tool-arg a=2 b=40 --format json`;
  const environment = {
    ...process.env,
    HOME: home,
    MCP_AUTO_OPEN_ENABLED: "false",
    MCP_INSPECTOR_SECRET_STORE: "file",
    MCP_OAUTH_CALLBACK_URL: "http://127.0.0.1:53684/oauth/callback",
  };
  try {
    const first = await inspectorRun(call, environment);
    expect(first.opened === 1, `the person was sent ${first.opened} times: ${first.said}`);
    expect(first.said.includes('"structuredContent":{"sum":42}'), `answered ${first.said}`);
    const second = await inspectorRun(`${call} --stored-auth-only`, environment);
    expect(second.opened === 0 && second.said.includes('"structuredContent":{"sum":42}'), `answered ${second.said}`);
    return { calls_a_tool_after_consent: { sum: 42 }, calls_again_with_what_it_stored: { sum: 42 } };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

function inspectorRun(call, env) {
  return new Promise((resolve, reject) => {
    const child = spawn("script", ["-qefc", call, "/dev/null"], { env, stdio: ["ignore", "pipe", "ignore"] });
    const run = { said: "", opened: 0 };
    const ended = setTimeout(() => child.kill("SIGKILL"), CLIENT_MS_MAX / 2);
    child.stdout.on("data", (bytes) => {
      run.said += bytes;
      // It is written as a link for terminals, whose marks are control characters, and ends with its line.
      const url = /http[^\s\x07\x1b]*\/oauth\/authorize\?[^\s\x07\x1b]+(?=[\s\x07\x1b])/.exec(run.said)?.[0];
      if (url !== undefined && run.opened === 0) {
        run.opened = 1;
        new Browser(args.email, args.password).authorize(url).then((back) => fetch(back)).catch(reject);
      }
    });
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(ended);
      if (code === 0) resolve(run);
      else reject(new Error(`the inspector ended with ${code}: ${run.said}`));
    });
  });
}

/** A client that believes nothing that is not as the RFCs have it. */
async function strict() {
  const loopback = { [oauth.allowInsecureRequests]: true };
  const resource = new URL(args.url);
  const found = {};
  const described = await oauth.processResourceDiscoveryResponse(resource, await oauth.resourceDiscoveryRequest(resource, loopback));
  found.rfc_9728_the_resource_is_the_url = described.resource;
  const issuer = new URL(described.authorization_servers[0]);
  for (const algorithm of ["oauth2", "oidc"]) {
    const answer = await oauth.discoveryRequest(issuer, { algorithm, ...loopback });
    const server = await oauth.processDiscoveryResponse(issuer, answer);
    found[`rfc_8414_metadata_by_${algorithm}`] = server.issuer;
    found.server = server;
  }
  const { server } = found;
  delete found.server;
  const wanted = { client_name: "Strict check", redirect_uris: [CALLBACK], grant_types: ["authorization_code", "refresh_token"], token_endpoint_auth_method: "client_secret_basic" };
  const registered = await oauth.dynamicClientRegistrationRequest(server, wanted, loopback);
  const client = await oauth.processDynamicClientRegistrationResponse(registered);
  found.rfc_7591_registers = client.token_endpoint_auth_method;
  const authentication = oauth.ClientSecretBasic(client.client_secret);

  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const url = new URL(server.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: client.client_id, response_type: "code", redirect_uri: CALLBACK, scope: "mcp:tools", state, resource: described.resource,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
  });
  const back = await new Browser(args.email, args.password).authorize(url);
  const parameters = oauth.validateAuthResponse(server, client, back, state);
  found.rfc_9207_the_issuer_comes_back = back.searchParams.get("iss");
  const code = await oauth.authorizationCodeGrantRequest(server, client, authentication, parameters, CALLBACK, verifier, { additionalParameters: { resource: described.resource }, ...loopback });
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, code);
  expect(tokens.scope === "mcp:tools" && tokens.token_type === "bearer" && tokens.expires_in > 0, `tokens ${json(Object.keys(tokens))}`);
  found.rfc_6749_exchanges_the_code = tokens.scope;
  const request = new Request(args.url, { method: "POST", headers: { authorization: `Bearer ${tokens.access_token}` } });
  const claims = await oauth.validateJwtAccessToken(server, request, described.resource, loopback);
  expect(claims.client_id === client.client_id, `claims ${json(claims)}`);
  found.rfc_9068_the_token_is_as_jwts_are = claims.aud;
  const refreshed = await oauth.processRefreshTokenResponse(server, client, await oauth.refreshTokenGrantRequest(server, client, authentication, tokens.refresh_token, loopback));
  expect(refreshed.refresh_token !== tokens.refresh_token, "the refresh token was not rotated");
  found.rfc_6749_refreshes = refreshed.expires_in;
  await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, authentication, refreshed.refresh_token, loopback));
  found.rfc_7009_revokes = await isRefused(refreshed.access_token);
  return found;
}

async function attempt(client, run) {
  const timer = AbortSignal.timeout(CLIENT_MS_MAX);
  const timeout = new Promise((_, reject) => timer.addEventListener("abort", () => reject(new Error("it took too long"))));
  try {
    const found = await Promise.race([run(), timeout]);
    for (const [check, detail] of Object.entries(found)) console.log(json({ client, check, ok: true, detail }));
    return true;
  } catch (error) {
    console.log(json({ client, check: "authorizes", ok: false, detail: `${error?.name}: ${error?.message} ${error?.cause ? json(error.cause) : ""}` }));
    return false;
  }
}

const runs = [
  ["client", () => session(NEW_CLIENT)],
  ["sdk", () => session(OLD_SDK)],
  ["inspector", inspector],
  ["oauth4webapi", strict],
];
if (args.document !== undefined) runs.push(["client by document", () => session({ ...NEW_CLIENT, document: args.document })]);
let ok = true;
for (const [name, run] of runs) ok = (await attempt(name, run)) && ok;
process.exit(ok ? 0 : 1);
