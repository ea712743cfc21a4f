// Searches an issue tracker, page by page. It speaks as GitHub's REST API does; the environment value ISSUES_URL names another tracker. The
// secret ISSUES_TOKEN is optional: with it, more searches are allowed, and private repositories are found.
import { type Context, tool, ToolError } from "toolwright";

const TRACKER = "https://api.github.com";

// Further results are not given out, whatever page is asked for.
const RESULTS_MAX = 1000;

interface Issue {
  number: number;
  title: string;
  html_url: string;
  repository_url: string;
  state: string;
  comments: number;
  updated_at: string;
  labels: { name: string }[];
  user: { login: string } | null;
  pull_request?: unknown;
}

export default tool({
  name: "issue_search",
  title: "Issue search",
  description:
    "Searches the issues and pull requests of an issue tracker by words and qualifiers (such as label:bug or author:octocat), newest activity first. " +
    "Gives a page of results as links; ask for next_page to go on.",
  input: {
    type: "object",
    properties: {
      query: { type: "string", description: "Words and qualifiers", minLength: 1, maxLength: 200 },
      repository: { type: "string", description: "Only in this one, for example rust-lang/rust", pattern: "^[\\w.-]+/[\\w.-]+$" },
      state: { type: "string", enum: ["open", "closed", "all"], default: "open" },
      page: { type: "integer", minimum: 1, maximum: 100, default: 1 },
      per_page: { type: "integer", minimum: 1, maximum: 50, default: 10 },
    },
    required: ["query"],
    additionalProperties: false,
  },
  output: {
    type: "object",
    properties: {
      total: { type: "integer" },
      page: { type: "integer" },
      next_page: { type: "integer", description: "Absent on the last page" },
      issues: {
        type: "array",
        items: {
          type: "object",
          properties: {
            repository: { type: "string" },
            number: { type: "integer" },
            kind: { type: "string", enum: ["issue", "pull request"] },
            title: { type: "string" },
            state: { type: "string" },
            url: { type: "string" },
            labels: { type: "array", items: { type: "string" } },
            author: { type: "string" },
            comments: { type: "integer" },
            updated_at: { type: "string" },
          },
          required: ["repository", "number", "kind", "title", "state", "url", "labels", "comments", "updated_at"],
        },
      },
    },
    required: ["total", "page", "issues"],
  },
  annotations: { readOnlyHint: true, openWorldHint: true },
  async run({ query, repository, state = "open", page = 1, per_page = 10 }, ctx) {
    const url = new URL(`${ctx.env("ISSUES_URL") ?? TRACKER}/search/issues`);
    const terms = [query, repository && `repo:${repository}`, state !== "all" && `state:${state}`].filter(Boolean);
    const search = { q: terms.join(" "), sort: "updated", order: "desc", per_page: String(per_page), page: String(page) };
    for (const [name, value] of Object.entries(search)) url.searchParams.set(name, value);

    const response = await fetch(url, { headers: { accept: "application/vnd.github+json", "x-github-api-version": "2022-11-28", ...authorization(ctx) } });
    if (!response.ok) throw await refusal(response);
    const { total_count: total, items }: { total_count: number; items: Issue[] } = await response.json();

    const issues = items.map(describe);
    const isLast = items.length === 0 || page * per_page >= Math.min(total, RESULTS_MAX);
    const structured = { total, page, ...(isLast ? {} : { next_page: page + 1 }), issues };
    const links = issues.map((issue) =>
      ctx.link({
        uri: issue.url,
        name: `${issue.repository}#${issue.number}`,
        title: issue.title,
        description: `${issue.kind}, ${issue.state}, ${issue.comments} comments`,
        mimeType: "text/html",
        annotations: { lastModified: issue.updated_at },
      }),
    );
    return ctx.content([ctx.text(summary(structured, per_page)), ...links], { structured });
  },
});

/** The header with the token; none where no token was set. */
function authorization(ctx: Context): { authorization?: string } {
  try {
    return { authorization: `Bearer ${ctx.secret("ISSUES_TOKEN")}` };
  } catch {
    return {};
  }
}

function describe(issue: Issue) {
  return {
    repository: issue.repository_url.split("/").slice(-2).join("/"),
    number: issue.number,
    kind: issue.pull_request === undefined ? "issue" : "pull request",
    title: issue.title,
    state: issue.state,
    url: issue.html_url,
    labels: issue.labels.map((label) => label.name),
    ...(issue.user === null ? {} : { author: issue.user.login }),
    comments: issue.comments,
    updated_at: issue.updated_at,
  };
}

function summary({ total, page, next_page, issues }: { total: number; page: number; next_page?: number; issues: ReturnType<typeof describe>[] }, perPage: number): string {
  if (issues.length === 0) return total === 0 ? "Nothing was found." : `There is nothing on page ${page}: ${total} were found.`;
  const first = (page - 1) * perPage + 1;
  const lines = issues.map(({ repository, number, title, state, labels }) => {
    const marks = labels.length === 0 ? "" : ` [${labels.join(", ")}]`;
    return `- ${repository}#${number} (${state}) ${title}${marks}`;
  });
  const more = next_page === undefined ? "" : `\n\nThere is more on page ${next_page}.`;
  return `${first} to ${first + issues.length - 1} of ${total}:\n${lines.join("\n")}${more}`;
}

/** Why the tracker refused, and when to try again where it says so (in its three ways). */
async function refusal(response: Response): Promise<ToolError> {
  const message = await response.json().then(({ message }) => (typeof message === "string" ? `: ${message}` : ""), () => "");
  const after = Number(response.headers.get("retry-after") ?? NaN);
  const isSpent = response.headers.get("x-ratelimit-remaining") === "0";
  if (response.status === 429 || (response.status === 403 && (isSpent || !Number.isNaN(after)))) {
    const reset = Number(response.headers.get("x-ratelimit-reset") ?? NaN);
    const seconds = Number.isNaN(after) ? Math.max(1, Math.ceil(reset - Date.now() / 1000)) : after;
    const when = Number.isNaN(seconds) ? "later" : `in ${seconds} s`;
    return new ToolError(`the tracker allows no more searches for now: try again ${when}`);
  }
  if (response.status === 401) return new ToolError("the tracker does not take the token: set the secret ISSUES_TOKEN, or delete it");
  if (response.status === 422) return new ToolError(`the tracker does not understand the search${message}`);
  return new ToolError(`the tracker answered ${response.status}${message}`);
}
