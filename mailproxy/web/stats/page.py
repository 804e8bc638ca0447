"""The document: the page around its sections, and the search that it is for."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from mailproxy.web.stats.markup import Markup, tag
from mailproxy.web.stats.sessions import search_form

LONGEST_SEARCH = 100
"""The most characters of a search."""


def document(sections: dict[str, str], search: str, version: str, *, has_token: bool) -> Iterable[str]:
    """Yield the document, in pieces."""
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{socket.gethostname()}: mailproxy"),
        tag("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
        tag("link", rel="stylesheet", href=f"/static/stats.css?{version}"),
        tag("script", src=f"/static/stats.js?{version}", defer=True),
    )
    yield "<body>"
    yield tag("a", "Skip to what needs attention", href="#attention", class_="skip")
    yield "<header>"
    yield sections["top"]
    yield _controls(has_token=has_token)
    yield "</header><main>"
    for id in ("attention", "totals", "backends", "frontends"):
        yield sections[id]
    yield '<div class="pair">'
    yield sections["events"]
    yield sections["clients"]
    yield "</div>"
    yield sections["bans"]
    yield sections["certificates"]
    yield '<section id="sessions" aria-labelledby="sessions-title"><div class="head">'
    yield tag("h2", "Sessions", id="sessions-title")
    yield search_form(search)
    yield "</div>"
    yield sections["sessions-list"]
    yield "</section></main>"
    yield tag("div", id="said", role="status", aria_live="polite")
    yield "</body></html>\n"


def _controls(*, has_token: bool) -> Markup:
    """Write what needs JavaScript, hidden until there is some."""
    token = tag(
        "form",
        tag("label", "Token", for_="token"),
        tag("input", type="password", id="token", name="token", autocomplete="off", maxlength=4096),
        tag("button", "use"),
        id="token-form",
    )
    known = tag("button", "forget the token", type="button", id="forget", hidden=True)
    return tag(
        "div",
        tag("span", "live", id="live", class_="live"),
        tag("button", "pause", type="button", id="pause", aria_pressed="false"),
        [token, known] if has_token else None,
        id="controls",
        hidden=True,
    )


def search_of(text: str) -> str:
    """Return a search as it is used: printable, and not too long."""
    return "".join(letter for letter in text if letter.isprintable()).strip()[:LONGEST_SEARCH]
