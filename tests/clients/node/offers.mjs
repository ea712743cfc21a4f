// What a server offers besides results in JSON: content, resources, prompts, completion, lines of the log, news of changes.

const json = (value) => JSON.stringify(value);

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

// What a resource that is not there is; this client knows it by the code of 2026-07-28 in either era.
const NOT_FOUND = -32602;

const failureOf = (promise) => promise.then(() => undefined, (error) => error);

export async function shows_content({ client }) {
  const result = await client.callTool({ name: "show", arguments: {} });
  const kinds = result.content.map((piece) => piece.type);
  expect(json(kinds) === '["text","image","audio","resource","resource_link"]', `kinds ${kinds}`);
  const [text, image, audio, resource, link] = result.content;
  expect(json(text.annotations) === '{"audience":["user"],"priority":0.5}', `annotations ${json(text.annotations)}`);
  expect(image.mimeType === "image/png" && image.data.startsWith("iVBORw0KGgo"), `picture ${json(image)}`);
  expect(audio.data === "AQID", `sound ${json(audio)}`);
  expect(resource.resource.text === "a resource", `resource ${json(resource)}`);
  expect(link.uri === "docs://about" && link.title === "About", `link ${json(link)}`);
  expect(json(result.structuredContent) === '{"pieces":5}', `structured content ${json(result.structuredContent)}`);
  const failing = await client.callTool({ name: "show", arguments: { failing: true } });
  expect(!result.isError && failing.isError === true, "what failed is told from what did not");
  const { tools } = await client.listTools();
  const { icons } = tools.find((tool) => tool.name === "show");
  expect(icons[0].src === "https://example.com/show.png" && icons[0].sizes[0] === "48x48", `icons ${json(icons)}`);
  return kinds;
}

export async function reads_resources({ client }) {
  const { resources } = await client.listResources();
  const { resourceTemplates } = await client.listResourceTemplates();
  expect(json(resources.map(({ uri }) => uri)) === '["docs://about"]', `resources ${json(resources)}`);
  expect(json(resourceTemplates.map((template) => template.uriTemplate)) === '["notes://{day}"]', `templates ${json(resourceTemplates)}`);
  const [about] = (await client.readResource({ uri: "docs://about" })).contents;
  expect(about.text === "This server is for checks." && about.mimeType === "text/plain", `contents ${json(about)}`);
  const [note] = (await client.readResource({ uri: "notes://monday" })).contents;
  expect(atob(note.blob) === "of monday" && note.uri === "notes://monday", `contents ${json(note)}`);
  for (const uri of ["notes://never", "docs://nowhere"]) {
    const error = await failureOf(client.readResource({ uri }));
    expect(error?.code === NOT_FOUND && error.data?.uri === uri, `error ${error?.code} ${json(error?.data)}`);
  }
  return about.text;
}

export async function fills_in_a_prompt({ client }) {
  const { prompts } = await client.listPrompts();
  expect(json(prompts.map(({ name }) => name)) === '["greeting"]', `prompts ${json(prompts)}`);
  const wanted = prompts[0].arguments.map(({ name, required }) => [name, required === true]);
  expect(json(wanted) === '[["city",true],["tone",false]]', `arguments ${json(wanted)}`);
  const { messages } = await client.getPrompt({ name: "greeting", arguments: { city: "Oslo" } });
  expect(json(messages.map(({ role }) => role)) === '["user","assistant"]', `messages ${json(messages)}`);
  expect(messages[0].content.text === "Greet Oslo in a warm tone.", `message ${json(messages[0])}`);
  expect(messages[1].content.resource.text === "context", `message ${json(messages[1])}`);
  const error = await failureOf(client.getPrompt({ name: "greeting", arguments: {} }));
  expect(error?.code === -32602 && error.message.includes("city"), `error ${error}`);
  return messages[0].content.text;
}

export async function completes_arguments({ client }) {
  const prompt = { type: "ref/prompt", name: "greeting" };
  const template = { type: "ref/resource", uri: "notes://{day}" };
  const values = [];
  for (const params of [
    { ref: prompt, argument: { name: "city", value: "Osa" } },
    { ref: prompt, argument: { name: "city", value: "" }, context: { arguments: { tone: "cold" } } },
    { ref: template, argument: { name: "day", value: "tue" } },
    { ref: prompt, argument: { name: "tone", value: "w" } },
  ]) {
    values.push((await client.complete(params)).completion.values);
  }
  expect(json(values) === '[["Osaka"],["Oslo"],["tuesday"],[]]', `values ${json(values)}`);
  return values;
}

// `lines` are those that the client has heard.
export async function hears_of_the_log({ client, era, lines }) {
  await client.callTool({ name: "chatty", arguments: {} });
  expect(lines.length === 0, `heard without asking: ${json(lines)}`);
  const asking = { name: "chatty", arguments: {} };
  if (era === "2026-07-28") asking._meta = { "io.modelcontextprotocol/logLevel": "warning" };
  else await client.setLoggingLevel("warning");
  await client.callTool(asking);
  const heard = lines.map(({ logger, level, data }) => `${logger} ${level} ${data}`);
  expect(json(heard) === '["chatty warning doubted","chatty error gave up"]', `lines ${json(heard)}`);
  return heard;
}

// `news` counts the changes of tools that the client was told of.
export async function hears_of_changes({ client, era, news, url, apiKey }) {
  const listening = era === "2026-07-28" ? await client.listen({ toolsListChanged: true }) : undefined;
  await serve_the_other_release(url, apiKey);
  while (news.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await listening?.close();
  return news.length;
}

// The descriptions of its tools differ.
async function serve_the_other_release(url, apiKey) {
  const [origin, slug] = url.split("/mcp/");
  const server = `${origin}/api/v1/servers/${slug}`;
  const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
  const { items } = await (await fetch(`${server}/releases`, { headers })).json();
  const { release_id } = items.find((release) => !release.current);
  const answer = await fetch(`${server}/rollback`, { method: "POST", headers, body: json({ release_id }) });
  expect(answer.status === 200, `the release was not changed: ${await answer.text()}`);
}
