"""Valid configurations to break one thing in."""

from copy import deepcopy
from typing import Any

import pytest

from mailproxy.config import Config, ConfigError
from mailproxy.config.document import read_document

Values = dict[str, Any]

FOLDER = "/etc/mailproxy"

_MINIMAL: Values = {
    "tls": {"default": {"certificates": ["/etc/ssl/mail.pem"]}},
    "frontend": {"imaps": {"bind": ["0.0.0.0:993"], "protocol": "imap", "backend": "dovecot"}},
    "backend": {"dovecot": {"server": {"d1": {"address": "10.41.1.131:10143"}}}},
}

MISSING = object()


def minimal(**changes: object) -> Values:
    """The smallest configuration with `changes`, as in ``frontend__imaps__tls_profile="x"``; MISSING removes a key."""
    values = deepcopy(_MINIMAL)
    for path, value in changes.items():
        *tables, key = (part.replace("_", "-") for part in path.split("__"))
        table = values
        for name in tables:
            table = table.setdefault(name, {})
        if value is MISSING:
            del table[key]
        else:
            table[key] = value
    return values


def read(**changes: object) -> Config:
    """The configuration of `minimal`."""
    return read_document(minimal(**changes), FOLDER)


def problems(**changes: object) -> list[str]:
    """What is wrong with that of `minimal`."""
    with pytest.raises(ConfigError) as caught:
        read(**changes)
    return [str(problem) for problem in caught.value.problems]


def problem(**changes: object) -> str:
    """The only thing that is wrong with it."""
    (only,) = problems(**changes)
    return only
