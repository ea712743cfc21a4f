// Adds a passkey and signs in with it in a real Chromium, with the virtual authenticator that its DevTools offer (WebAuthn domain).
//
//   node passkeys.mjs --url URL     URL is a running installation, by a host with a name
import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const { values } = parseArgs({ options: { url: { type: "string" } } });
const base = values.url;
const email = `ada-${randomBytes(3).toString("hex")}@example.com`;
const password = "seventeen green bicycles";
const complaints = [];

function ok(check) {
  console.log(JSON.stringify({ check, ok: true }));
}

function expect(condition, what) {
  if (!condition) throw new Error(what);
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
const context = await browser.newContext();
const page = await context.newPage();
page.setDefaultTimeout(20_000);
page.on("console", (message) => { if (message.type() === "error") complaints.push(`${page.url()}: ${message.text()}`); });
page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error}`));
const devtools = await context.newCDPSession(page);
await devtools.send("WebAuthn.enable");

async function authenticator(transport) {
  const options = {
    protocol: "ctap2", transport, hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
    automaticPresenceSimulation: true,
  };
  return (await devtools.send("WebAuthn.addVirtualAuthenticator", { options })).authenticatorId;
}

async function signOut() {
  await page.goto(`${base}/account`);
  await page.click("form[action='/sign-out'] button");
  await page.waitForURL("**/sign-in");
}

const laptop = await authenticator("internal");
await page.goto(`${base}/sign-up`);
await page.fill("#name", "Ada Example");
await page.fill("#email", email);
await page.fill("#password", password);
await page.click("form[action^='/sign-up'] button[type=submit]");
await page.waitForURL("**/account");
await page.click("a[href='/account/passkeys']");

const fault = page.locator("form[data-passkey=add] .fault");
await page.fill("#name", "Laptop");
await page.fill("#password", "not the password");
await page.click("form[data-passkey=add] button[value=password]");
await fault.waitFor();
expect((await fault.textContent()) === "This is not your password.", await fault.textContent());
ok("a wrong password adds nothing, and the page says so");

await page.fill("#password", password);
await page.click("form[data-passkey=add] button[value=password]");
await page.waitForURL("**/account/passkeys?done=added");
const { credentials } = await devtools.send("WebAuthn.getCredentials", { authenticatorId: laptop });
expect(credentials.length === 1 && credentials[0].isResidentCredential && credentials[0].rpId === "localhost",
  JSON.stringify(credentials));
ok("a passkey is added that is found without a name");

await signOut();
await page.goto(`${base}/sign-in?return_to=%2Faccount%2Fpasskeys%3Ffrom%3Dhere`);
await page.click("form[data-passkey=sign-in] button");
await page.waitForURL("**/account/passkeys?from=here");
expect((await page.textContent("body")).includes("last used"), "its use is not shown");
ok("it signs in, and one goes on where one wanted to");

// The other device takes the place of the first in the browser's hands, once that has shown who is there.
await page.fill("#name", "Phone");
const made = page.waitForURL("**/account/passkeys?done=added");
const proven = page.waitForResponse("**/account/passkeys/proof");
let phone;
await page.route("**/account/passkeys/options", async (route) => {
  await devtools.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId: laptop, enabled: false });
  phone = await authenticator("usb");
  await route.continue();
});
await page.click("form[data-passkey=add] button[value=passkey]");
await Promise.all([proven, made]);
await page.unroute("**/account/passkeys/options");
await devtools.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId: phone });
await devtools.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId: laptop, enabled: true });
ok("a passkey that is there is shown in place of the password");

await signOut();
await devtools.send("WebAuthn.setUserVerified", { authenticatorId: laptop, isUserVerified: false });
await page.click("form[data-passkey=sign-in] button");
await page.locator("form[data-passkey=sign-in] .fault").waitFor();
expect(new URL(page.url()).pathname === "/sign-in", page.url());
ok("an authenticator that did not verify its user signs nobody in");

await devtools.send("WebAuthn.setUserVerified", { authenticatorId: laptop, isUserVerified: true });
await page.click("form[data-passkey=sign-in] button");
await page.waitForURL("**/account");
await page.goto(`${base}/account/passkeys`);
await page.click("button[aria-label='Remove Laptop']");
await page.waitForURL("**/account/passkeys?done=removed");
await signOut();
await page.click("form[data-passkey=sign-in] button");
await page.locator(".faults").waitFor();
expect((await page.textContent(".faults")).includes("This passkey was not accepted."), await page.textContent(".faults"));
ok("one that was removed signs nobody in");

const plain = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
await plain.goto(`${base}/sign-in`);
expect(!(await plain.isVisible("form[data-passkey]")), "the button is there without the script");
await plain.fill("#email", email);
await plain.fill("#password", password);
await plain.click("form[action='/sign-in'] button[type=submit]");
await plain.waitForURL("**/account");
ok("without JavaScript the button is hidden and the password works");

await browser.close();
const unexpected = complaints.filter((said) => !/status of (403|422)/.test(said));
expect(unexpected.length === 0, `the browser complains:\n${unexpected.join("\n")}`);
ok("the browser has nothing to complain of");
