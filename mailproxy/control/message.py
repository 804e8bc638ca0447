"""
What goes over the admin socket: JSON, one object a line.

The service begins with a line of the type ``hello``. Each line of the client's is a request: a command and its
arguments, all strings. The answer is any number of lines of the type ``row`` or ``event``, and then one ``done`` or
``error``. docs/ctl.md explains them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

VERSION = 1
"""Of the protocol. New commands, arguments and fields do not change it; fields with another meaning do."""

LONGEST_REQUEST = 4096
"""Bytes of one request: no command with its arguments is nearly as long."""

Message = Mapping[str, object]


def encode(type: str, fields: Message) -> bytes:
    """Return a message as a line."""
    return json.dumps({"type": type, **fields}).encode() + b"\n"


def decode(line: bytes) -> dict[str, object]:
    """Return the object that a line is; ValueError if it is none."""
    try:
        found = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found
