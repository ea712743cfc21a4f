"""Lets the Python SDK and fastmcp find their own way into a server: from a 401 through registration, sign-in and consent to a tool call, a
refresh, and a revocation.

Prints one line of JSON a check, as check.py does. Exits with 1 if a check failed. Access tokens must live for a few seconds only.
"""

import argparse
import asyncio
import json
import sys
import webbrowser
from collections.abc import Awaitable
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
from fastmcp import Client as FastClient
from fastmcp.client.auth import OAuth
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

from browser import Browser, origin

CALLBACK = "http://127.0.0.1:53682/callback"


def expect(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


class Storage:
    """Where the SDK keeps what it has, in memory."""

    def __init__(self) -> None:
        self.tokens = None
        self.client_info = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens) -> None:
        self.tokens = tokens

    async def get_client_info(self):
        return self.client_info

    async def set_client_info(self, client_info) -> None:
        self.client_info = client_info


class Person:
    """Somebody whose browser the SDK opens."""

    def __init__(self, email: str, password: str) -> None:
        self.browser = Browser(email, password)
        self.opened: list[str] = []
        self.back = ""

    async def open(self, url: str) -> None:
        self.opened.append(url)
        self.back = await asyncio.to_thread(self.browser.authorize, url)

    async def come_back(self) -> AuthorizationCodeResult:
        said = {name: values[0] for name, values in parse_qs(urlsplit(self.back).query).items()}
        expect("code" in said, f"came back with {self.back}")
        return AuthorizationCodeResult(code=said["code"], state=said.get("state"), iss=said.get("iss"))


class HeadlessBrowser(webbrowser.BaseBrowser):
    """What fastmcp opens in place of the desktop's browser; it goes back to the client by itself."""

    def __init__(self, email: str, password: str) -> None:
        super().__init__("headless")
        self.browser = Browser(email, password)
        self.opened: list[str] = []

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        self.opened.append(url)
        asyncio.get_running_loop().run_in_executor(None, self.visit, url)
        return True

    def visit(self, url: str) -> None:
        back = self.browser.authorize(url)
        # The client listens from about now on.
        transport = httpx2.HTTPTransport(retries=5)
        with httpx2.Client(transport=transport, timeout=30) as http:
            http.get(back)


def provider(url: str, person: Person, storage: Storage, document: str | None) -> OAuthClientProvider:
    metadata = OAuthClientMetadata(client_name="Python SDK check", redirect_uris=[CALLBACK], grant_types=["authorization_code", "refresh_token"])
    return OAuthClientProvider(url, metadata, storage, person.open, person.come_back, client_metadata_url=document)


async def sum_of(client: Client) -> object:
    result = await client.call_tool("add", {"a": 2, "b": 40})
    expect(not result.is_error and result.structured_content == {"sum": 42}, f"answered {result}")
    return result.structured_content


async def sdk_session(url: str, person: Person, storage: Storage, document: str | None, seconds: float) -> dict[str, object]:
    """What came of the whole way; each value is the detail of a check."""
    found: dict[str, object] = {}
    async with create_mcp_http_client(auth=provider(url, person, storage, document)) as http:
        async with Client(streamable_http_client(url, http_client=http), mode="auto") as client:
            found["calls_a_tool_after_consent"] = await sum_of(client)
            first = storage.tokens
            expect(len(person.opened) == 1, f"the browser was opened {len(person.opened)} times")
            expect(first.refresh_token is not None, "there is no refresh token")
            consent = person.browser.pages[-1]
            expect("Python SDK check" in consent.text and "127.0.0.1" in consent.text, "the consent page names neither client nor where it leads")
            found["is_asked_for_consent"] = consent.url.split("?")[0]
            await anyio.sleep(seconds)
            found["calls_again_after_a_refresh"] = await sum_of(client)
            second = storage.tokens
            expect(second.access_token != first.access_token, "the access token is the same")
            expect(second.refresh_token != first.refresh_token, "the refresh token was not rotated")
            expect(len(person.opened) == 1, "the person was asked again")
    found["is_refused_after_revocation"] = await revoke(url, storage)
    return found


async def revoke(url: str, storage: Storage) -> object:
    """Revokes the refresh token (RFC 7009), which ends the access token with it."""
    site = origin(url)
    async with httpx2.AsyncClient(timeout=30) as http:
        metadata = (await http.get(f"{site}/.well-known/oauth-authorization-server")).json()
        client = storage.client_info
        form = {"token": storage.tokens.refresh_token, "token_type_hint": "refresh_token"}
        secret = None if client.client_secret is None else (client.client_id, client.client_secret)
        named = form if secret else {**form, "client_id": client.client_id}
        revoked = await http.post(metadata["revocation_endpoint"], data=named, auth=secret)
        expect(revoked.status_code == 200, f"revocation answered {revoked.status_code}: {revoked.text}")
        headers = {"authorization": f"Bearer {storage.tokens.access_token}", "accept": "application/json, text/event-stream"}
        for _ in range(50):
            used = await http.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers=headers)
            if used.status_code == 401:
                break
            await anyio.sleep(0.05)
    expect(used.status_code == 401 and "invalid_token" in used.headers["www-authenticate"], f"answered {used.status_code}")
    return used.headers["www-authenticate"]


async def fastmcp_session(url: str, email: str, password: str, seconds: float) -> dict[str, object]:
    headless = HeadlessBrowser(email, password)
    webbrowser.register("headless", None, headless, preferred=True)
    found: dict[str, object] = {}
    async with FastClient(url, auth=OAuth(client_name="fastmcp check", callback_host="127.0.0.1")) as client:
        added = await client.call_tool("add", {"a": 2, "b": 40})
        expect(added.structured_content == {"sum": 42}, f"answered {added}")
        found["calls_a_tool_after_consent"] = added.structured_content
        await anyio.sleep(seconds)
        again = await client.call_tool("add", {"a": 1, "b": 1})
        expect(again.structured_content == {"sum": 2}, f"answered {again}")
        expect(len(headless.opened) == 1, f"the browser was opened {len(headless.opened)} times")
        found["calls_again_after_a_refresh"] = again.structured_content
    return found


async def run(args: argparse.Namespace) -> bool:
    failed = False

    async def attempt(client: str, session: Awaitable[dict[str, object]]) -> None:
        nonlocal failed
        try:
            with anyio.fail_after(60):
                lines = [{"client": client, "check": name, "ok": True, "detail": detail} for name, detail in (await session).items()]
        except Exception as error:  # whatever a client raises is a failed check
            failed = True
            lines = [{"client": client, "check": "authorizes", "ok": False, "detail": f"{type(error).__name__}: {reasons(error)}"}]
        for line in lines:
            print(json.dumps(line), flush=True)

    Browser(args.email, args.password).sign_up(origin(args.url), "Ada")
    person = Person(args.email, args.password)
    await attempt("python", sdk_session(args.url, person, Storage(), None, args.seconds))
    if args.document is not None:
        person = Person(args.email, args.password)
        await attempt("python by document", sdk_session(args.url, person, Storage(), args.document, args.seconds))
    await attempt("fastmcp", fastmcp_session(args.url, args.email, args.password, args.seconds))
    return not failed


def reasons(error: BaseException) -> str:
    """The errors in a group of them."""
    inner = getattr(error, "exceptions", None)
    return "; ".join(reasons(each) for each in inner) if inner else str(error)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="of the server, as in http://127.0.0.1:8080/mcp/name")
    parser.add_argument("--email", required=True, help="of somebody who signs up first, and may use it then")
    parser.add_argument("--password", required=True)
    parser.add_argument("--seconds", type=float, required=True, help="after which an access token has expired")
    parser.add_argument("--document", help="the https: URL of a client's metadata document, whose redirect URI is " + CALLBACK)
    sys.exit(0 if asyncio.run(run(parser.parse_args())) else 1)


if __name__ == "__main__":
    main()
