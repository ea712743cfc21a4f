"""Uses a server of Toolwright through PyPI fastmcp, and says of each thing whether it went as it should.

Prints one line of JSON a check, as check.py does. Exits with 1 if a check failed.
"""

import argparse
import asyncio
import base64
import json
import sys

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport


def expect(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


async def lists_what_there_is(client: Client) -> object:
    tools = [tool.name for tool in await client.list_tools()]
    resources = [str(resource.uri) for resource in await client.list_resources()]
    templates = [template.uri_template for template in await client.list_resource_templates()]
    prompts = [prompt.name for prompt in await client.list_prompts()]
    expect({"add", "show", "chatty"} <= set(tools), f"tools {tools}")
    expect(resources == ["docs://about"] and templates == ["notes://{day}"], f"resources {resources} {templates}")
    expect(prompts == ["greeting"], f"prompts {prompts}")
    return tools


async def calls_tools(client: Client) -> object:
    added = await client.call_tool("add", {"a": 2, "b": 40.5})
    expect(added.structured_content == {"sum": 42.5}, f"structured content {added.structured_content}")
    shown = await client.call_tool("show", {})
    kinds = [piece.type for piece in shown.content]
    expect(kinds == ["text", "image", "audio", "resource", "resource_link"], f"kinds {kinds}")
    failed = await client.call_tool("fail", {"reason": "on purpose"}, raise_on_error=False)
    expect(failed.is_error and "on purpose" in failed.content[0].text, f"failure {failed}")
    return kinds


async def reads_and_fills_in(client: Client) -> object:
    about = (await client.read_resource("docs://about"))[0]
    note = (await client.read_resource("notes://monday"))[0]
    greeting = await client.get_prompt("greeting", {"city": "Oslo"})
    expect(about.text == "This server is for checks.", f"contents {about}")
    expect(base64.b64decode(note.blob) == b"of monday", f"contents {note}")
    expect(greeting.messages[0].content.text == "Greet Oslo in a warm tone.", f"messages {greeting.messages}")
    return about.text


async def run(url: str, api_key: str) -> bool:
    failed = False
    transport = StreamableHttpTransport(url, headers={"Authorization": f"Bearer {api_key}"})
    async with Client(transport) as client:
        for check in [lists_what_there_is, calls_tools, reads_and_fills_in]:
            ok, detail = True, None
            try:
                detail = await asyncio.wait_for(check(client), 30)
            except Exception as error:  # whatever the library raises is a failed check
                ok, detail, failed = False, f"{type(error).__name__}: {error}", True
            print(json.dumps({"client": "fastmcp", "check": check.__name__, "ok": ok, "detail": detail}), flush=True)
    return not failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="the endpoint, such as http://127.0.0.1:8080/mcp/example")
    parser.add_argument("--api-key", required=True, help="an API key of the customer whose server it is")
    given = parser.parse_args()
    return 0 if asyncio.run(run(given.url, given.api_key)) else 1


if __name__ == "__main__":
    sys.exit(main())
