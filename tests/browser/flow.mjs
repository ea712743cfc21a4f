// Walks a person through the pages in a real Chromium: signs up, looks at what an app asks for, allows it, and arrives at the app.
// Fails if a page logs an error, if a form does not work without JavaScript, or if the browser's policy stops the way back to the app.
//
//   node flow.mjs URL FOLDER     URL is a running installation; pictures go to FOLDER
import { createServer } from "node:http";
import { createHash, randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [base, folder] = process.argv.slice(2);
const adminKey = process.env.TOOLWRIGHT_ADMIN_KEY;
if (!base || !folder || !adminKey) throw new Error("usage: TOOLWRIGHT_ADMIN_KEY=... node flow.mjs URL FOLDER");

const SIZES = { desktop: { width: 1100, height: 900 }, phone: { width: 360, height: 780 } };
const email = `ada-${randomBytes(3).toString("hex")}@example.com`;
const password = "seventeen green bicycles";

const callback = createServer((request, answer) => {
  answer.setHeader("content-type", "text/html").end(`<title>arrived</title><p>${request.url.startsWith("/callback") ? "ok" : "lost"}`);
});
await new Promise((resolve) => callback.listen(0, "127.0.0.1", resolve));
const redirectUri = `http://127.0.0.1:${callback.address().port}/callback`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
await mkdir(folder, { recursive: true });
const complaints = [];

async function open(size, scheme, storageState) {
  const context = await browser.newContext({
    viewport: SIZES[size], colorScheme: scheme, deviceScaleFactor: 1, javaScriptEnabled: false, storageState,
  });
  const page = await context.newPage();
  page.on("console", (message) => { if (message.type() === "error") complaints.push(`${page.url()}: ${message.text()}`); });
  return page;
}

async function picture(page, name) {
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

// A picture of a page that fits into its window.
async function look(page, name) {
  await picture(page, name);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  expect(!wide, `the page is wider than its window: ${name}`);
}

async function api(method, path, body) {
  const answer = await fetch(base + path, {
    method, headers: { authorization: `Bearer ${body?.key ?? adminKey}`, "content-type": "application/json" },
    body: body ? JSON.stringify(body.json) : undefined,
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

function authorizeUrl(clientId, scope, resource, state = "s") {
  const challenge = createHash("sha256").update("v".repeat(43)).digest("base64url");
  return `${base}/oauth/authorize?${new URLSearchParams({
    response_type: "code", client_id: clientId, redirect_uri: redirectUri, scope, resource, state,
    code_challenge: challenge, code_challenge_method: "S256",
  })}`;
}

async function register(name, redirect = redirectUri) {
  const answer = await fetch(`${base}/oauth/register`, {
    method: "POST", headers: { "content-type": "application/json" },
    body: JSON.stringify({ client_name: name, redirect_uris: [redirect], token_endpoint_auth_method: "none" }),
  });
  return (await answer.json()).client_id;
}

function expect(condition, what) {
  if (!condition) throw new Error(what);
}

// A person and their server.
let page = await open("desktop", "light");
await page.goto(`${base}/sign-up`);
await page.fill("#name", "Ada Example");
await page.fill("#email", email);
await page.fill("#password", password);
await page.click("button[type=submit] >> nth=-1");
await page.waitForURL("**/account");
const newest = (await api("GET", "/admin/v1/customers")).items[0].customer_id;
const key = (await api("POST", `/admin/v1/customers/${newest}/api-keys`, { json: { name: "pictures" } })).api_key;
const slug = `weather-${randomBytes(3).toString("hex")}`;
await api("POST", "/api/v1/servers", { key, json: { slug, title: "Weather", description: "Forecasts." } });
const resource = `${base}/mcp/${slug}`;
const client = await register("Notes Assistant");
const whole = authorizeUrl(client, "mcp:tools", resource);
const some = authorizeUrl(client, "mcp:tools:forecast mcp:tools:warnings", resource);
const management = authorizeUrl(client, "servers:read servers:write executions:read", `${base}/api/v1`);
await page.goto(`${base}/account/access`);
expect((await page.textContent("main")).includes("No client may use anything"), "the empty page does not say that it is");
await look(page, "access-empty-light-desktop");

// The server's one tool says this of itself from now on, which clients read.
async function serve(description) {
  const source = `import { tool } from "toolwright";
export default tool({ name: "forecast", description: ${JSON.stringify(description)}, input: { type: "object" }, run: () => ({}) });`;
  await api("PUT", `/api/v1/servers/${slug}/tools/forecast`, { key, json: { language: "typescript", source } });
  await api("POST", `/api/v1/servers/${slug}/releases`, { key, json: {} });
}
await serve("Forecasts.");

// Somebody whom they invite, and another link that stays open.
await page.goto(`${base}/account/customers/${newest}/members`);
await page.selectOption("#role", "viewer");
await page.click("text=Make a link");
const link = await page.textContent(".quoted");
await look(page, "members-invited-light-desktop");
const guest = await open("desktop", "light");
await guest.goto(`${base}/sign-up?invitation=${link.split("/").at(-1)}`);
await guest.fill("#name", "Grace Hopper");
await guest.fill("#email", `grace-${randomBytes(3).toString("hex")}@example.com`);
await guest.fill("#password", password);
await guest.click("button[type=submit] >> nth=-1");
await guest.waitForURL("**/account");
await guest.context().close();
await page.selectOption("#role", "editor");
await page.fill("#email", "kay@example.com");
await page.click("text=Make a link");
await page.context().close();

for (const scheme of ["light", "dark"]) {
  for (const size of ["desktop", "phone"]) {
    page = await open(size, scheme);
    await page.goto(whole);
    expect(page.url().includes("/sign-in?return_to="), `not led to the sign-in: ${page.url()}`);
    await picture(page, `sign-in-${scheme}-${size}`);
    await page.fill("#email", email);
    await page.fill("#password", "not the password");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".faults");
    await picture(page, `sign-in-wrong-${scheme}-${size}`);
    await page.fill("#password", password);
    await page.keyboard.press("Enter");
    await page.waitForURL("**/oauth/consent?**");
    await look(page, `consent-${scheme}-${size}`);
    await page.click("button[value=allow]");
    await page.waitForURL(`${redirectUri}?code=**`);
    await page.goto(some);
    await picture(page, `consent-tools-${scheme}-${size}`);
    await page.click("button[value=deny]");
    await page.waitForURL(`${redirectUri}?error=access_denied**`);
    await page.goto(management);
    await picture(page, `consent-management-${scheme}-${size}`);
    await page.click("button[value=allow]");
    await page.waitForURL(`${redirectUri}?code=**`);
    await page.goto(`${base}/account`);
    await look(page, `account-${scheme}-${size}`);
    await page.click("text=See who has access");
    await page.waitForURL("**/account/access");
    await look(page, `access-${scheme}-${size}`);
    await page.goto(`${base}/account/customers/${newest}/members`);
    await look(page, `members-${scheme}-${size}`);
    await page.goto(`${base}/account/access`);
    await page.click(".grant button:has-text('Hold back') >> nth=0");
    await page.waitForURL("**/account/access/*?done=held-back");
    await look(page, `held-back-${scheme}-${size}`);
    await serve(`Forecasts, and whatever else one asks for (${scheme}, ${size}).`);
    await page.reload();
    expect((await page.textContent("main")).includes("What it says of itself"), "what the server changed is not told in words");
    await look(page, `changes-${scheme}-${size}`);
    await page.click("text=Hold nothing back any more");
    await page.waitForURL("**/account/access/*?done=let-through");
    await page.goto(`${base}/account/access`);
    await page.click(".grant button.danger >> nth=0");
    await page.waitForURL("**/account/access?done=taken-back");
    await page.waitForSelector("[role=status]");
    await page.goto(`${base}/account`);
    await page.click("text=See what happened");
    await page.waitForURL("**/account/activity");
    expect((await page.textContent("main")).includes("A sign-in failed, by password"), "the failed sign-in is not told");
    await look(page, `activity-${scheme}-${size}`);
    await page.click("text=Something here was not me");
    await page.waitForURL("**/account/not-me");
    await look(page, `not-me-${scheme}-${size}`);
    await page.goto(authorizeUrl(client, "mcp:tools", `${base}/mcp/nowhere`));
    await picture(page, `not-yours-${scheme}-${size}`);
    const fault = await page.goto(`${base}/oauth/authorize?client_id=${client}&redirect_uri=https://elsewhere.example`);
    expect(fault.status() === 400, "a bad address is not refused");
    await picture(page, `fault-${scheme}-${size}`);
    await page.context().close();
  }
}

// Nobody can put the page into a frame.
const framer = createServer((_, answer) => answer.setHeader("content-type", "text/html").end(`<iframe src="${whole}"></iframe>`));
await new Promise((resolve) => framer.listen(0, "127.0.0.1", resolve));
page = await open("desktop", "light");
const heard = complaints.length;
await page.goto(`http://127.0.0.1:${framer.address().port}/`);
await page.waitForTimeout(500);
expect(!(await page.frames().at(-1).content()).includes("Toolwright"), "the page can be framed");
complaints.splice(heard);
framer.close();

await browser.close();
callback.close();
// A refused sign-in and a refused request are answers that a browser notes.
const unexpected = complaints.filter((text) => !/status of (400|401|403|422|429)/.test(text));
expect(unexpected.length === 0, `the browser complains:\n${unexpected.join("\n")}`);
console.log(`every page works without JavaScript; pictures are in ${folder}`);
