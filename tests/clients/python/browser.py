"""A browser without JavaScript: keeps cookies, follows redirects, fills in forms as a person would. Enough for the pages of Toolwright.

It stops where a redirect leaves the site: that is the client's own address, which the client takes over.
"""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx2

REDIRECTS_MAX = 10


@dataclass
class Form:
    """A form of a page: where it goes, what it holds, its buttons as pairs of name and value."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Page:
    """A page that was read."""

    url: str
    text: str
    forms: list[Form]

    def form(self, name: str) -> Form:
        """The form that has a field, or a button, of that name."""
        for form in self.forms:
            if name in form.fields or any(button == name for button, _ in form.buttons):
                return form
        raise AssertionError(f"there is no form with `{name}` on {self.url}:\n{self.text}")


class Reader(HTMLParser):
    """Reads the forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(said.get("action", "")))
            self.inside = True
        elif self.inside and tag == "input" and "name" in said:
            self.read_input(said)
        elif self.inside and tag == "button" and "name" in said:
            self.forms[-1].buttons.append((said["name"], said.get("value", "")))

    def read_input(self, said: dict[str, str]) -> None:
        if said.get("type") in ("checkbox", "radio") and "checked" not in said:
            return
        self.forms[-1].fields[said["name"]] = said.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False


class Browser:
    """One person's browser."""

    def __init__(self, email: str, password: str) -> None:
        self.email = email
        self.password = password
        self.http = httpx2.Client(follow_redirects=False, timeout=30)
        self.pages: list[Page] = []

    def sign_up(self, site: str, name: str) -> None:
        """Makes the person's account, as they would."""
        page = self.open(self.http.get(f"{site}/sign-up"), site)
        filled = {"name": name, "email": self.email, "password": self.password}
        shown = self.submit(page.form("password"), filled, page, site)
        if not isinstance(shown, Page) or urlsplit(shown.url).path != "/account":
            raise AssertionError(f"signing up led to {shown}")

    def authorize(self, url: str, decision: str = "allow") -> str:
        """Goes where a client sends its person, signs in if asked, decides. Gives the address that leads back to the client."""
        site = origin(url)
        answer = self.open(self.http.get(url), site)
        if isinstance(answer, Page) and urlsplit(answer.url).path == "/sign-in":
            answer = self.sign_in(answer, site)
        if isinstance(answer, Page):
            answer = self.submit(answer.form("decision"), {"decision": decision}, answer, site)
        if isinstance(answer, Page):
            raise AssertionError(f"the decision led to {answer.url}:\n{answer.text}")
        return answer

    def sign_in(self, page: Page, site: str) -> "Page | str":
        return self.submit(page.form("password"), {"email": self.email, "password": self.password}, page, site)

    def submit(self, form: Form, filled: dict[str, str], page: Page, site: str) -> "Page | str":
        target = urljoin(page.url, form.action)
        # As browsers do: the page that sends a form is named.
        headers = {"origin": site, "sec-fetch-site": "same-origin"}
        return self.open(self.http.post(target, data={**form.fields, **filled}, headers=headers), site)

    def open(self, answer: httpx2.Response, site: str) -> "Page | str":
        """Follows redirects on the site; gives the page, or the address outside of it."""
        for _ in range(REDIRECTS_MAX):
            if answer.status_code not in (301, 302, 303, 307, 308):
                return self.read(answer)
            target = urljoin(str(answer.url), answer.headers["location"])
            if origin(target) != site:
                return target
            answer = self.http.get(target)
        raise AssertionError(f"more than {REDIRECTS_MAX} redirects, the last to {answer.url}")

    def read(self, answer: httpx2.Response) -> Page:
        if answer.status_code != 200:
            raise AssertionError(f"{answer.url} answered {answer.status_code}: {answer.text}")
        reader = Reader()
        reader.feed(answer.text)
        page = Page(str(answer.url), answer.text, reader.forms)
        self.pages.append(page)
        return page


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
