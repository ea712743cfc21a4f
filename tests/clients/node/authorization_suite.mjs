// Runs the suite `authorization` of the protocol's conformance tests against the authorization server: registers a client for it, and is the
// person whose browser it asks for.
//
// Prints the suite's own words, and exits as it does.
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";
import { Browser } from "./browser.mjs";

const PORT = "53685";

const { values: args } = parseArgs({
  options: { url: { type: "string" }, email: { type: "string" }, password: { type: "string" }, suite: { type: "string" }, results: { type: "string" } },
});

const issuer = new URL(args.url).origin;
const metadata = await (await fetch(new URL("/.well-known/oauth-authorization-server", issuer))).json();
const wanted = {
  client_name: "Conformance suite",
  redirect_uris: [`http://127.0.0.1:${PORT}/callback`],
  grant_types: ["authorization_code", "refresh_token"],
  token_endpoint_auth_method: "none",
};
const registration = await fetch(metadata.registration_endpoint, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(wanted),
});
const client = await registration.json();
if (!registration.ok) throw new Error(`the suite's client was not registered: ${JSON.stringify(client)}`);

const call = [args.suite, "authorization", "--url", issuer, "--client-id", client.client_id, "--resource", args.url, "--port", PORT, "--output-dir", args.results];
const suite = spawn(process.execPath, call, { stdio: ["ignore", "pipe", "inherit"] });
let said = "";
let sent = false;
suite.stdout.on("data", (bytes) => {
  process.stdout.write(bytes);
  said += bytes;
  const url = new RegExp(`^${metadata.authorization_endpoint}\\?\\S+(?=\\s)`, "m").exec(said)?.[0];
  if (url !== undefined && !sent) {
    sent = true;
    goAndComeBack(url);
  }
});
suite.on("close", (code) => process.exit(code ?? 1));

function goAndComeBack(url) {
  const browser = new Browser(args.email, args.password);
  const back = browser.authorize(url).then((address) => fetch(address));
  back.catch((error) => {
    console.error(`the browser did not come back: ${error.message}`);
    suite.kill("SIGKILL");
  });
}
