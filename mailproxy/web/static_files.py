"""The files of the pages: style, script and icon, as they are in the package."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files

from attrs import frozen

from mailproxy.web.reply import Reply
from mailproxy.web.request import Request

_TYPES = {
    "stats.css": "text/css; charset=utf-8",
    "stats.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@frozen
class File:
    """A file, and a tag that changes with its content."""

    body: bytes
    type: str
    tag: str

    def reply(self, request: Request) -> Reply:
        """Reply with the file, unless the client has it already."""
        headers = {"Cache-Control": "no-cache", "ETag": self.tag}
        if self.tag in (request.header("If-None-Match") or ""):
            return Reply(b"", self.type, 304, headers)
        return Reply(self.body, self.type, headers=headers)


def _read(name: str, type: str) -> File:
    body = (files("mailproxy.web") / "static" / name).read_bytes()
    return File(body, type, f'"{sha256(body).hexdigest()[:16]}"')


FILES: Mapping[str, File] = {name: _read(name, type) for name, type in _TYPES.items()}
"""By name."""

VERSION = sha256("".join(file.tag for file in FILES.values()).encode()).hexdigest()[:8]
"""Changes with any of the files."""
