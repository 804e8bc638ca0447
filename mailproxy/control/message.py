"""
Messages on the admin socket: JSON, one object per line.

The service first sends a line of the type ``hello``. Each line from the client is a request: a command and its
arguments, all strings. The answer has any number of lines of the type ``row`` or ``event``, and then one ``done`` or
``error``. docs/ctl.md explains them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

VERSION = 1
"""The version of the protocol. New commands, arguments and fields keep it; a new meaning of a field changes it."""

LONGEST_REQUEST = 4096
"""The most bytes of one request; commands with all arguments are much shorter."""

Message = Mapping[str, object]


def encode(type: str, fields: Message) -> bytes:
    """Return a message as a line."""
    return json.dumps({"type": type, **fields}).encode() + b"\n"


def decode(line: bytes) -> dict[str, object]:
    """Return the JSON object in a line; raise ValueError if it is not one."""
    try:
        found = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found
