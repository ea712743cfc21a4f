// A browser without JavaScript: keeps cookies, follows redirects, fills in forms as a person would. Enough for the pages of Toolwright.
//
// It stops where a redirect leaves the site: that is the client's own address, which the client takes over.
import { parse } from "node-html-parser";

const REDIRECTS_MAX = 10;

export class Browser {
  #cookies = new Map();
  /** The pages that were shown, as { url, text }. */
  pages = [];

  constructor(email, password) {
    this.email = email;
    this.password = password;
  }

  /** Goes where a client sends its person, signs in if asked, decides. Gives the URL that leads back to the client. */
  async authorize(url, decision = "allow") {
    let shown = await this.#open(new URL(url), {});
    if (!(shown instanceof URL) && new URL(shown.url).pathname === "/sign-in") {
      shown = await this.#submit(shown, "password", { email: this.email, password: this.password });
    }
    if (!(shown instanceof URL)) shown = await this.#submit(shown, "decision", { decision });
    if (!(shown instanceof URL)) throw new Error(`the decision led to ${shown.url}:\n${shown.text}`);
    return shown;
  }

  /** Sends the form that has a field, or a button, of that name. */
  async #submit(page, name, filled) {
    const form = page.html.querySelectorAll("form").find((each) => each.querySelector(`[name="${name}"]`));
    if (form === undefined) throw new Error(`there is no form with \`${name}\` on ${page.url}:\n${page.text}`);
    const body = new URLSearchParams();
    for (const input of form.querySelectorAll("input")) {
      const isChoice = ["checkbox", "radio"].includes(input.getAttribute("type"));
      if (input.hasAttribute("name") && !(isChoice && !input.hasAttribute("checked"))) {
        body.set(input.getAttribute("name"), input.getAttribute("value") ?? "");
      }
    }
    for (const [field, value] of Object.entries(filled)) body.set(field, value);
    const target = new URL(form.getAttribute("action") ?? "", page.url);
    // As browsers do: the page that sends a form is named.
    const headers = { origin: target.origin, "sec-fetch-site": "same-origin" };
    return this.#open(target, { method: "POST", body, headers });
  }

  /** Follows redirects on the site; gives the page, or the URL outside of it. */
  async #open(first, request) {
    let url = first;
    let answer = await this.#send(url, request);
    for (let followed = 0; followed < REDIRECTS_MAX; followed += 1) {
      if (answer.status < 300 || answer.status > 399) return this.#read(url, answer);
      const target = new URL(answer.headers.get("location"), url);
      if (target.origin !== first.origin) return target;
      url = target;
      answer = await this.#send(url, {});
    }
    throw new Error(`more than ${REDIRECTS_MAX} redirects, the last to ${url}`);
  }

  async #send(url, request) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { ...request.headers, ...(cookie === "" ? {} : { cookie }) };
    const answer = await fetch(url, { ...request, headers, redirect: "manual" });
    for (const line of answer.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(";");
      const [name, ...value] = pair.trim().split("=");
      if (attributes.some((attribute) => attribute.trim().toLowerCase() === "max-age=0")) this.#cookies.delete(name);
      else this.#cookies.set(name, value.join("="));
    }
    return answer;
  }

  async #read(url, answer) {
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`${url} answered ${answer.status}: ${text}`);
    const page = { url: url.href, text, html: parse(text) };
    this.pages.push(page);
    return page;
  }
}
