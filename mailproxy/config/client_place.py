"""Where a client may come from, or connect to: networks, files that list them, and UNIX sockets."""

from typing import Literal

from attrs import frozen

from mailproxy.config.kind import Kind, WrongValue
from mailproxy.config.place import UNIX, Network
from mailproxy.config.senders import NETWORK
from mailproxy.config.words import quoted


@frozen
class ListFile:
    """A file that lists networks, `mailproxy.networks.list_file`."""

    path: str

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return f"@{self.path}"


Place = Network | ListFile | Literal["unix"]
"""Where a client may come from, or connect to."""

_NEEDS = f'{NETWORK.needs}, "@PATH" of a file that lists them, or "{UNIX}"'


def _read(text: str) -> Place:
    if text == UNIX:
        return UNIX
    if text.startswith("@"):
        if not text[1:] or not text.isprintable():
            raise WrongValue(f"is {quoted(text)}, needs the path of a file after @")
        return ListFile(text[1:])
    if text.isalpha():
        raise WrongValue(f"is {quoted(text)}, needs {_NEEDS}")
    return NETWORK.read(text)


PLACE: Kind[Place] = Kind((str,), _NEEDS, _read, '`"NETWORK"`, `"@FILE"`, `"unix"`')
