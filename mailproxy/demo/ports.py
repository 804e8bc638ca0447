"""The demo's ports: the well-known ones plus a base, on loopback addresses."""

import socket
from collections.abc import Callable, Iterator, Mapping

from attrs import frozen

FRONT = "127.0.0.1"
SERVERS = {"d1": "127.0.0.11", "d2": "127.0.0.12"}
"""Each server has its own address; all of 127.0.0.0/8 is this machine."""

PROTOCOLS = ("imap", "pop3", "lmtp", "submission", "managesieve")

STARTTLS = {"imap": 143, "pop3": 110, "lmtp": 24, "submission": 587, "managesieve": 4190}

IMPLICIT = {"imap": 993, "pop3": 995, "lmtp": 26, "submission": 465, "managesieve": 4191}
"""LMTP and ManageSieve have no port for TLS from the first byte; these two are the demo's."""

BASES = (10000, 20000)
"""The bases to try by default."""

LOWEST_BASE, HIGHEST_BASE = 1024, 59000
"""Between the ports that need privileges and the end."""


OTHER_PORTS = "choose other ports with --port BASE"
"""The hint for a port that is in use."""


IsFree = Callable[[str, int], bool]
"""Returns whether an address and port are free."""


class PortsTaken(Exception):
    """A port is in use."""


@frozen
class Ports:
    """All ports, those of a kind as port by protocol."""

    base: int

    @property
    def implicit(self) -> Mapping[str, int]:
        """The front's, with TLS from the first byte."""
        return self._above(IMPLICIT, 0)

    @property
    def starttls(self) -> Mapping[str, int]:
        """The front's, with STARTTLS."""
        return self._above(STARTTLS, 0)

    @property
    def servers(self) -> Mapping[str, int]:
        """The servers', which are the same for both."""
        return self._above(STARTTLS, 1000)

    @property
    def vulnerable(self) -> int:
        """The port of the vulnerable server, for `check-starttls`."""
        return self.base + 2143

    @property
    def relay(self) -> int:
        """The port to which Dovecot's submission service sends messages."""
        return self.base + 2587

    def _above(self, ports: Mapping[str, int], step: int) -> Mapping[str, int]:
        return {protocol: self.base + step + port for protocol, port in ports.items()}

    def sockets(self) -> Iterator[tuple[str, int]]:
        """Every address and port."""
        for port in (*self.implicit.values(), *self.starttls.values(), self.vulnerable, self.relay):
            yield FRONT, port
        for host in SERVERS.values():
            for port in self.servers.values():
                yield host, port


def choose(base: int | None, is_free: IsFree | None = None) -> Ports:
    """Take the ports above `base`, or above the first of `BASES` where all are free; `PortsTaken` if they are not."""
    is_free = is_free or is_port_free
    taken = ("", 0)
    for candidate in BASES if base is None else (base,):
        ports = Ports(candidate)
        try:
            taken = next(where for where in ports.sockets() if not is_free(*where))
        except StopIteration:
            return ports
    raise PortsTaken(f"another process listens on {taken[0]}:{taken[1]}: {OTHER_PORTS}")


def is_port_free(host: str, port: int) -> bool:
    """Return whether an address and port are free."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
            sock.listen()
        except OSError:
            return False
    return True
