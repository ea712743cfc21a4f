"""What a server offers besides results in JSON: content, resources, prompts, completion, lines of the log, news of changes."""

import base64

import anyio
import httpx2
import mcp_types as types
from mcp import Client
from mcp.shared.exceptions import MCPError

# What each era answers for a resource that is not there.
NOT_FOUND = {"2025-11-25": -32002, "2026-07-28": -32602}


def expect(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


async def shows_content(client: Client) -> object:
    result = await client.call_tool("show", {})
    kinds = [piece.type for piece in result.content]
    expect(kinds == ["text", "image", "audio", "resource", "resource_link"], f"kinds {kinds}")
    text, image, audio, resource, link = result.content
    expect(text.annotations.audience == ["user"] and text.annotations.priority == 0.5, f"annotations {text.annotations}")
    expect(image.mime_type == "image/png" and base64.b64decode(image.data).startswith(b"\x89PNG"), f"picture {image}")
    expect(base64.b64decode(audio.data) == b"\x01\x02\x03", f"sound {audio}")
    expect(resource.resource.text == "a resource", f"resource {resource}")
    expect(str(link.uri) == "docs://about" and link.title == "About", f"link {link}")
    expect(result.structured_content == {"pieces": 5}, f"structured content {result.structured_content}")
    failing = await client.call_tool("show", {"failing": True})
    expect(not result.is_error and failing.is_error is True, "what failed is told from what did not")
    listed = await client.list_tools()
    icons = next(tool for tool in listed.tools if tool.name == "show").icons
    expect(icons[0].src == "https://example.com/show.png" and icons[0].sizes == ["48x48"], f"icons {icons}")
    return kinds


async def reads_resources(client: Client, era: str) -> object:
    resources = (await client.list_resources()).resources
    templates = (await client.list_resource_templates()).resource_templates
    expect([str(resource.uri) for resource in resources] == ["docs://about"], f"resources {resources}")
    expect([template.uri_template for template in templates] == ["notes://{day}"], f"templates {templates}")
    about = (await client.read_resource("docs://about")).contents[0]
    expect(about.text == "This server is for checks." and about.mime_type == "text/plain", f"contents {about}")
    note = (await client.read_resource("notes://monday")).contents[0]
    expect(base64.b64decode(note.blob) == b"of monday" and str(note.uri) == "notes://monday", f"contents {note}")
    for uri in ("notes://never", "docs://nowhere"):
        try:
            await client.read_resource(uri)
        except MCPError as error:
            expect(error.code == NOT_FOUND[era] and error.data == {"uri": uri}, f"error {error.code} {error.data}")
        else:
            raise AssertionError(f"{uri} was found")
    return about.text


async def fills_in_a_prompt(client: Client) -> object:
    prompts = (await client.list_prompts()).prompts
    expect([prompt.name for prompt in prompts] == ["greeting"], f"prompts {prompts}")
    arguments = [(argument.name, bool(argument.required)) for argument in prompts[0].arguments]
    expect(arguments == [("city", True), ("tone", False)], f"arguments {arguments}")
    messages = (await client.get_prompt("greeting", {"city": "Oslo"})).messages
    expect([message.role for message in messages] == ["user", "assistant"], f"messages {messages}")
    expect(messages[0].content.text == "Greet Oslo in a warm tone.", f"message {messages[0]}")
    expect(messages[1].content.resource.text == "context", f"message {messages[1]}")
    try:
        await client.get_prompt("greeting", {})
    except MCPError as error:
        expect(error.code == -32602 and "city" in error.message, f"error {error.code} {error.message}")
    else:
        raise AssertionError("an argument that is needed may be left out")
    return messages[0].content.text


async def completes_arguments(client: Client) -> object:
    prompt = types.PromptReference(name="greeting")
    template = types.ResourceTemplateReference(uri="notes://{day}")
    found = [
        await client.complete(prompt, {"name": "city", "value": "Osa"}),
        await client.complete(prompt, {"name": "city", "value": ""}, {"tone": "cold"}),
        await client.complete(template, {"name": "day", "value": "tue"}),
        await client.complete(prompt, {"name": "tone", "value": "w"}),
    ]
    values = [result.completion.values for result in found]
    expect(values == [["Osaka"], ["Oslo"], ["tuesday"], []], f"values {values}")
    return values


async def hears_of_the_log(client: Client, era: str, lines: list[str]) -> object:
    """`lines` are those that the client's callback has heard; in 2026-07-28 it asks with every request."""
    lines.clear()
    if era == "2025-11-25":
        await client.call_tool("chatty", {})
        expect(lines == [], f"heard without asking: {lines}")
        await client.set_logging_level("warning")
    await client.call_tool("chatty", {})
    expect(lines == ["chatty warning doubted", "chatty error gave up"], f"lines {lines}")
    return lines


async def hears_of_changes(client: Client, era: str, news: list[str], url: str, api_key: str) -> object:
    """`news` are the methods of the notifications that came in outside of requests, on the stream of 2025-11-25."""
    with anyio.fail_after(10):
        if era == "2026-07-28":
            async with client.listen(tools_list_changed=True) as changes:
                await serve_the_other_release(url, api_key)
                async for change in changes:
                    return type(change).__name__
        await serve_the_other_release(url, api_key)
        while "notifications/tools/list_changed" not in news:
            await anyio.sleep(0.02)
    return news


async def serve_the_other_release(url: str, api_key: str) -> None:
    """The descriptions of its tools differ."""
    origin, _, slug = url.rpartition("/mcp/")
    server = f"{origin}/api/v1/servers/{slug}"
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {api_key}"}) as http:
        releases = (await http.get(f"{server}/releases")).json()["items"]
        other = next(release for release in releases if not release["current"])
        answer = await http.post(f"{server}/rollback", json={"release_id": other["release_id"]})
    expect(answer.status_code == 200, f"the release was not changed: {answer.text}")
