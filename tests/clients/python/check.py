"""Uses a server of Toolwright through the Python SDK, and says of each thing whether it went as it should.

Prints one line of JSON a check: {"check": ..., "ok": true | false, "detail": ...}. Exits with 1 if a check failed.
"""

import argparse
import json
import sys
import time
from collections.abc import Awaitable, Callable

import anyio
import httpx2
from mcp import Client, types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.exceptions import MCPError

import offers

# What the protocol calls each era, and how this client is told to speak it.
MODES = {"2025-11-25": "legacy", "2026-07-28": "auto"}

Check = Callable[[Client], Awaitable[object]]


def expect(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def text_of(result) -> str:
    return result.content[0].text


async def greets(client: Client, era: str) -> object:
    expect(client.protocol_version == era, f"agreed on {client.protocol_version}")
    info = client.server_info
    expect(info is not None and bool(info.name) and bool(info.version), f"the server says of itself {info}")
    expect(client.server_capabilities.tools is not None, "the server has no tools")
    return {"protocol_version": client.protocol_version, "server": info.name}


async def lists_tools(client: Client) -> object:
    listed = await client.list_tools()
    names = [tool.name for tool in listed.tools]
    expect(names == sorted(names), f"not in a stable order: {names}")
    expect({"add", "count", "fail", "sleep"} <= set(names), f"tools are missing: {names}")
    add = next(tool for tool in listed.tools if tool.name == "add")
    expect(add.input_schema["required"] == ["a", "b"], f"input schema {add.input_schema}")
    expect(add.output_schema is not None and add.output_schema["type"] == "object", f"output schema {add.output_schema}")
    expect(add.title == "Sum" and add.annotations.read_only_hint is True, f"title and hints of {add}")
    return names


async def calls_a_tool(client: Client) -> object:
    result = await client.call_tool("add", {"a": 2, "b": 40.5})
    expect(not result.is_error, f"an error: {text_of(result)}")
    expect(result.structured_content == {"sum": 42.5}, f"structured content {result.structured_content}")
    expect(json.loads(text_of(result)) == {"sum": 42.5}, f"text {text_of(result)}")
    return result.structured_content


async def hears_of_progress(client: Client) -> object:
    reports: list[tuple[float, float | None, str | None]] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        reports.append((progress, total, message))

    result = await client.call_tool("count", {"to": 5}, progress_callback=report)
    expect(result.structured_content == {"counted": 5}, f"structured content {result.structured_content}")
    expect(reports == [(step, 5, f"step {step}") for step in range(1, 6)], f"reports {reports}")
    return len(reports)


async def reads_what_was_wrong_with_the_input(client: Client) -> object:
    result = await client.call_tool("add", {"a": "two", "b": 1})
    expect(result.is_error is True, "no error")
    expect("a" in text_of(result) and "number" in text_of(result), f"the text does not help: {text_of(result)}")
    return text_of(result)


async def reads_what_the_tool_said(client: Client) -> object:
    result = await client.call_tool("fail", {"reason": "the moon is in the wrong place"})
    expect(result.is_error is True, "no error")
    expect("the moon is in the wrong place" in text_of(result), f"text {text_of(result)}")
    return text_of(result)


async def is_told_of_an_unknown_tool(client: Client) -> object:
    try:
        await client.call_tool("no_such_tool", {})
    except MCPError as error:
        expect(error.code == -32602, f"code {error.code}: {error.message}")
        return error.message
    raise AssertionError("no error")


async def takes_a_call_back(client: Client) -> object:
    begun = time.monotonic()
    with anyio.move_on_after(0.5):
        await client.call_tool("sleep", {"ms": 8000})
        raise AssertionError("the call ended before it was taken back")
    took = time.monotonic() - begun
    expect(took < 4, f"took {took:.1f} s")
    again = await client.call_tool("add", {"a": 1, "b": 1})
    expect(again.structured_content == {"sum": 2}, "the client does not go on after it")
    return round(took, 1)


async def answers_what_it_is_asked(client: Client, asked: list[str]) -> object:
    result = await client.call_tool("consult", {})
    expect(not result.is_error, f"an error: {text_of(result)}")
    wanted = {"action": "accept", "city": "Oslo", "said": "fjords", "model": "a-model"}
    expect(result.structured_content == wanted, f"structured content {result.structured_content}")
    expect(asked == ["Which city?", "What is Oslo known for?"], f"it was asked {asked}")
    return asked


async def is_refused_without_a_key(url: str) -> object:
    async with httpx2.AsyncClient() as http:
        body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        answer = await http.post(url, json=body, headers={"accept": "application/json, text/event-stream"})
    challenge = answer.headers.get("www-authenticate", "")
    expect(answer.status_code == 401, f"status {answer.status_code}")
    expect(challenge.startswith("Bearer ") and "resource_metadata=" in challenge, f"challenge {challenge}")
    return challenge


async def run(url: str, api_key: str, era: str) -> bool:
    failed = False

    def tell(name: str, ok: bool, detail: object) -> None:
        nonlocal failed
        failed = failed or not ok
        print(json.dumps({"client": "python", "era": era, "check": name, "ok": ok, "detail": detail}), flush=True)

    async def attempt(name: str, check: Awaitable[object]) -> None:
        try:
            with anyio.fail_after(30):
                detail = await check
        except Exception as error:  # whatever the SDK raises is a failed check
            tell(name, False, f"{type(error).__name__}: {error}")
        else:
            tell(name, True, detail)

    async def use(client: Client) -> None:
        await attempt("greets", greets(client, era))
        checks: list[Check] = [
            lists_tools,
            calls_a_tool,
            hears_of_progress,
            reads_what_was_wrong_with_the_input,
            reads_what_the_tool_said,
            is_told_of_an_unknown_tool,
            takes_a_call_back,
        ]
        for check in checks:
            await attempt(check.__name__, check(client))
        await attempt("shows_content", offers.shows_content(client))
        await attempt("reads_resources", offers.reads_resources(client, era))
        await attempt("fills_in_a_prompt", offers.fills_in_a_prompt(client))
        await attempt("completes_arguments", offers.completes_arguments(client))
        await attempt("hears_of_the_log", offers.hears_of_the_log(client, era, lines))
        await attempt("answers_what_it_is_asked", answers_what_it_is_asked(client, asked))
        await attempt("hears_of_changes", offers.hears_of_changes(client, era, news, url, api_key))

    lines: list[str] = []
    news: list[str] = []
    asked: list[str] = []

    async def hear_line(line) -> None:
        lines.append(f"{line.logger} {line.level} {line.data}")

    async def hear(message) -> None:
        news.append(getattr(message, "method", type(message).__name__))

    async def answer_as_person(_, question) -> types.ElicitResult:
        asked.append(question.message)
        return types.ElicitResult(action="accept", content={"city": "Oslo"})

    async def answer_as_model(_, question) -> types.CreateMessageResult:
        content = question.messages[0].content
        asked.append((content[0] if isinstance(content, list) else content).text)
        said = types.TextContent(type="text", text="fjords")
        return types.CreateMessageResult(role="assistant", content=said, model="a-model")

    http = create_mcp_http_client(headers={"Authorization": f"Bearer {api_key}"})
    try:
        transport = streamable_http_client(url, http_client=http)
        hearing = {"logging_callback": hear_line, "log_level": "warning", "message_handler": hear}
        answering = {"elicitation_callback": answer_as_person, "sampling_callback": answer_as_model}
        async with http, Client(transport, mode=MODES[era], cache=None, **hearing, **answering) as client:
            await use(client)
    except Exception as error:  # the SDK wraps what went wrong in groups
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        tell("connects", False, f"{type(error).__name__}: {error}")
    await attempt("is_refused_without_a_key", is_refused_without_a_key(url))
    return not failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="the endpoint, such as http://127.0.0.1:8080/mcp/example")
    parser.add_argument("--api-key", required=True, help="an API key of the customer whose server it is")
    parser.add_argument("--era", required=True, choices=sorted(MODES), help="the protocol version to speak")
    given = parser.parse_args()
    return 0 if anyio.run(run, given.url, given.api_key, given.era) else 1


if __name__ == "__main__":
    sys.exit(main())
