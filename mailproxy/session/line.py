"""The form of a log line: fields as ``key=value``, with quotes where a value needs them."""

from __future__ import annotations

import json
import re
from functools import lru_cache

# All other values become JSON strings unless they are safe in a line without quotes. These are ours, and are safe and
# never empty in a line: names of the configuration, numbers, addresses as we write them, OpenSSL's words.
_OURS = frozenset(
    {"id", "frontend", "client", "via", "local", "tls", "cipher", "group", "resumed", "verify", "tlv_ssl"}
    | {"tlv_ssl_verify", "backend", "server", "retries", "auth_failures", "bytes_in", "bytes_out", "handshake_ms"}
    | {"connect_ms", "total_ms", "termination", "first_to_end", "gate"}
)
is_bare = re.compile(r"[!#-&(-\[\]-~]+").fullmatch
"""Return a match if a text may be a value without quotes, else None."""

Fields = dict[str, str | int]


def as_line(fields: Fields) -> str:
    """Return fields as ``key=value``, with quotes where a value needs them."""
    form, others = _form(tuple(fields))
    for key in others:
        if not is_bare(str(fields[key])):
            fields = fields | {key: json.dumps(fields[key])}
    return form % tuple(fields.values())


@lru_cache(maxsize=64)
def _form(keys: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """
    Return the line of fields with these names, to be filled with their values, and the names that are not ours.

    Most sessions have the same few: to join the fields one by one takes twice as long.
    """
    return " ".join(f"{key}=%s" for key in keys), tuple(key for key in keys if key not in _OURS)


def escaped(name: str) -> str:
    """Return a common name with a backslash before commas: one name with a comma is not two names."""
    return name.replace("\\", r"\\").replace(",", r"\,")
