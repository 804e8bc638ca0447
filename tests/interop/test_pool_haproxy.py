"""HAProxy and mailproxy check the same Dovecots with the same settings: which one notices changes sooner?"""

import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median

import pytest
from attrs import frozen

from tests.interop import headers, peers
from tests.interop.certificates import Certificates
from tests.interop.clients import read_line
from tests.interop.conftest import StartFront, StartHAProxy
from tests.interop.dovecot import Dovecot
from tests.interop.front import Front, single
from tests.interop.haproxy import HAProxy
from tests.interop.pool import changes
from tests.interop.ports import free_port
from tests.interop.waiting import until

ROUNDS = 3

# Both check at moments of their own: what happens, happens up to one `inter` later for one than for the other.
INTER, FASTINTER, TIMEOUT, RISE, FALL = 300, 200, 1000, 2, 3  # milliseconds, and checks
TOLERATED_RATIO, TOLERATED_SECONDS = 1.25, INTER / 1000


def break_auth(dovecot: Dovecot) -> None:
    """
    Break it, and be the first who notices.

    The first check after that fails at once, the next ones wait for two seconds: which one is first would be chance.
    """
    dovecot.break_auth()
    with socket.create_connection((dovecot.host, dovecot.ports["imap"])) as connection:
        connection.sendall(headers.v2(headers.LOCAL, 0))
        connection.settimeout(INTER / 1000)
        with contextlib.suppress(TimeoutError):  # somebody's check came in between
            assert read_line(connection).startswith(b"* BYE")


Fault = tuple[Callable[[Dovecot], None], Callable[[Dovecot], None]]
FAULTS: Mapping[str, Fault] = {
    "killed": (Dovecot.kill, Dovecot.start),
    "stopped": (Dovecot.pause, Dovecot.resume),
    "without auth": (break_auth, Dovecot.mend_auth),
}

_SECTION = """\
listen dovecot
    bind 127.0.0.1:{port}
    timeout check {timeout}ms
    option tcp-check
    tcp-check connect default linger
    tcp-check expect rstring ^\\*\\ OK
    tcp-check send "a1 LOGOUT\\r\\n"
    tcp-check expect rstring "a1 OK"
    default-server check send-proxy-v2 rise {rise} fall {fall}
    default-server inter {inter}ms fastinter {fastinter}ms downinter {inter}ms
"""


@frozen
class Watchers:
    """HAProxy and mailproxy, both with the same three servers."""

    haproxy: HAProxy
    front: Front

    def seconds_until(self, server: str, *, is_up: bool, began: float) -> tuple[float, float]:
        """How long after a moment HAProxy and mailproxy held a server to be up, or down."""
        theirs: list[float] = []
        ours: list[float] = []

        def have_both_noticed() -> bool:
            if not theirs and self.haproxy.is_up("dovecot")[server] == is_up:
                theirs.append(time.monotonic() - began)
            if not ours and self._is_up(server) == is_up:
                ours.append(time.monotonic() - began)
            return bool(theirs and ours)

        until(have_both_noticed, f"{server} to be {'up' if is_up else 'down'}")
        return theirs[0], ours[0]

    def _is_up(self, server: str) -> bool:
        states = [event["state"] for event in changes(self.front, server=server)]
        return states[-1:] != ["down"]


def _has_checks(dovecot: Dovecot, begin: int) -> bool:
    return dovecot.log[begin:].count("imap-login") > 2 * FALL


@pytest.fixture(scope="module")
def watchers(
    module_haproxy: StartHAProxy, module_front: StartFront, dovecots: Mapping[str, Dovecot], pki: Certificates
) -> Watchers:
    peers.need("haproxy")
    port = free_port()
    section = _SECTION.format(port=port, timeout=TIMEOUT, inter=INTER, fastinter=FASTINTER, rise=RISE, fall=FALL)
    addresses = {name: f"{dovecot.host}:{dovecot.ports['imap']}" for name, dovecot in dovecots.items()}
    section += "".join(f"    server {name} {address}\n" for name, address in addresses.items())
    check = {
        "type": "mail",
        "jitter": 0,
        "inter": f"{INTER}ms",
        "fastinter": f"{FASTINTER}ms",
        "downinter": f"{INTER}ms",
        "timeout": f"{TIMEOUT}ms",
        "rise": RISE,
        "fall": FALL,
    }
    servers = {name: {"address": address} for name, address in addresses.items()}
    configuration, _ = single(pki.server_ec, 0, backend_server=servers, backend_check=check, backend_profile="dovecot")
    begins = {name: len(dovecot.log) for name, dovecot in dovecots.items()}
    watchers = Watchers(module_haproxy([port], section), module_front(configuration))
    # A server that is thought to be up and was not checked yet would be down by the first failure.
    for name, dovecot in dovecots.items():
        until(partial(_has_checks, dovecot, begins[name]), f"checks of {name}")
    return watchers


@pytest.mark.parametrize("fault", FAULTS)
def test_changes_are_noticed_no_later_than_by_haproxy(
    watchers: Watchers,
    dovecots: Mapping[str, Dovecot],
    fault: str,
    record_property: Callable[[str, object], None],
) -> None:
    cause, mend = FAULTS[fault]
    times: dict[str, list[tuple[float, float]]] = {"down": [], "up": []}
    for name in list(dovecots)[:ROUNDS]:
        # A busy machine may have been late for a check.
        watchers.seconds_until(name, is_up=True, began=0.0)
        began = time.monotonic()
        try:
            cause(dovecots[name])
            times["down"].append(watchers.seconds_until(name, is_up=False, began=began))
        finally:
            began = time.monotonic()
            mend(dovecots[name])
        times["up"].append(watchers.seconds_until(name, is_up=True, began=began))
    for change, seconds in times.items():
        theirs, ours = (median(column) for column in zip(*seconds, strict=True))
        record_property(f"{fault}, {change}", f"HAProxy {theirs:.2f} s, mailproxy {ours:.2f} s")
        print(f"{fault}, {change}: HAProxy {theirs:.2f} s, mailproxy {ours:.2f} s, of {seconds}")
        assert ours <= theirs * TOLERATED_RATIO + TOLERATED_SECONDS, seconds
