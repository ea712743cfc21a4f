// A web page as Markdown: what it says, without menus, scripts and layout. It reaches the hosts that it was granted and no others; grant it
// those that you want read.
import { tool, ToolError } from "toolwright";
import { type Element, parse, toMarkdown } from "toolwright:html";

// What is on every page of a site is not what the page says.
const AROUND = "nav, header, footer, aside, form, dialog, [role=navigation], [role=banner], [role=contentinfo], [role=search], [aria-hidden=true]";

const BYTES_MAX = 4 * 1024 * 1024;

export default tool({
  name: "page_to_markdown",
  title: "Page to Markdown",
  description: "Fetches a web page and gives its main content as Markdown, with its title and absolute links. Reads HTML and plain text.",
  input: {
    type: "object",
    properties: {
      url: { type: "string", description: "The page's URL, with https:", format: "uri", maxLength: 2000 },
      chars_max: { type: "integer", description: "Cuts the Markdown after this many characters", minimum: 100, maximum: 100000, default: 20000 },
      images: { type: "boolean", description: "Whether images are kept as links", default: false },
    },
    required: ["url"],
    additionalProperties: false,
  },
  output: {
    type: "object",
    properties: {
      url: { type: "string", description: "Where the page was found, after redirects" },
      title: { type: "string" },
      description: { type: "string" },
      markdown: { type: "string" },
      is_cut: { type: "boolean" },
    },
    required: ["url", "title", "markdown", "is_cut"],
  },
  annotations: { readOnlyHint: true, openWorldHint: true },
  async run({ url, chars_max = 20000, images = false }, ctx) {
    const target = URL.parse(url);
    if (target === null || !["https:", "http:"].includes(target.protocol)) throw new ToolError(`\`${url}\` is not the URL of a page: it begins with https://`);
    const response = await fetch(target, { headers: { accept: "text/html, application/xhtml+xml, text/plain;q=0.5" } });
    if (!response.ok) throw new ToolError(`${target.host} answered ${response.status} for this page`);
    const type = response.headers.get("content-type") ?? "text/html";
    const text = await readText(response, type);
    ctx.progress(1, 2, "reading the page");
    if (/^text\/plain\b/i.test(type)) return cut({ url: response.url, title: "" }, text, chars_max);
    if (!/^(?:text\/html|application\/xhtml\+xml)\b/i.test(type)) throw new ToolError(`this is no page but \`${type}\``);
    const page = parse(text);
    const about = { url: response.url, title: titleOf(page), ...descriptionOf(page) };
    return cut(about, toMarkdown(mainOf(page), { baseUrl: baseOf(page, response.url), images }), chars_max);
  },
});

/** The body as a text: UTF-8, or the encoding of the western web before it. */
async function readText(response: Response, type: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > BYTES_MAX) throw new ToolError(`the page has more than ${BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  chunks.reduce((at, chunk) => (bytes.set(chunk, at), at + chunk.length), 0);
  const charset = /charset=["']?([\w-]+)/i.exec(type)?.[1]?.toLowerCase() ?? "utf-8";
  if (["utf-8", "utf8", "us-ascii", "ascii"].includes(charset)) return new TextDecoder().decode(bytes);
  if (!["iso-8859-1", "latin1", "windows-1252"].includes(charset)) throw new ToolError(`the page is in the encoding ${charset}, which is not read`);
  let text = "";
  for (let at = 0; at < length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}

/** The part that is about something, if the page says which; otherwise all but what is around it. */
function mainOf(page: Element): Element {
  const main = page.selectOne("main, [role=main]") ?? single(page.select("article")) ?? page.selectOne("body") ?? page;
  for (const element of main.select(AROUND)) {
    // An article's own header has its title.
    if (element.name !== "header" || element.parent?.name !== "article") element.remove();
  }
  return main;
}

function single(elements: Element[]): Element | undefined {
  return elements.length === 1 ? elements[0] : undefined;
}

function titleOf(page: Element): string {
  return page.selectOne("title")?.text || (page.selectOne("h1")?.text ?? "");
}

function descriptionOf(page: Element): { description?: string } {
  const description = page.selectOne("meta[name=description], meta[property='og:description']")?.attribute("content")?.trim();
  return description ? { description } : {};
}

function baseOf(page: Element, url: string): string {
  return URL.parse(page.selectOne("base[href]")?.attribute("href") ?? "", url)?.href ?? url;
}

function cut(about: { url: string; title: string; description?: string }, text: string, charsMax: number) {
  const isCut = text.length > charsMax;
  // Not within a pair of surrogates.
  const end = isCut && /[\ud800-\udbff]/.test(text[charsMax - 1] ?? "") ? charsMax - 1 : charsMax;
  return { ...about, markdown: isCut ? `${text.slice(0, end).trimEnd()}\n\n[cut]` : text, is_cut: isCut };
}
