"""
Watches how much of the Internet the bans of all origins refuse: a source of bans may ban everybody, in pieces.

Theory of operation. Every few seconds the numbers of networks of each width give an upper bound, which is nearly always
far from too much. Only if it is not, a thread counts the addresses themselves, once for each such bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from attrs import frozen
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailproxy.bans.ban import Ban
from mailproxy.bans.gate import BanGate
from mailproxy.bans.saving import InThread
from mailproxy.networks.breadth import MAX_SHARE, addresses_of, breadth
from mailproxy.networks.internet import IPV4, IPV6
from mailproxy.networks.network_set import NetworkSet, Range

LOOK_SECONDS = 5.0

_MAX4 = MAX_SHARE * addresses_of(IPV4)
_MAX6 = MAX_SHARE * addresses_of(IPV6)


@frozen
class BroadBans:
    """Bans that are too many of all addresses."""

    subject: str
    """The bans, by their origins, the one with most addresses first: ``bans by crowdsec, ctl``."""
    problem: str
    """How many addresses they refuse, and what to do; the subject and the problem are a sentence."""


class BanBreadth:
    """Watches the bans in effect, from `start` to `stop` (mutable)."""

    _log = Logger(namespace="mailproxy")

    def __init__(self, gate: BanGate, clock: Any, in_thread: InThread) -> None:
        """`clock`, a reactor, times the looks."""
        self._gate = gate
        self._in_thread = in_thread
        self._looks = LoopingCall(self._check_bans)
        self._looks.clock = clock
        self._counted: object = None
        """What was counted last: the upper bounds, and the exempt networks."""
        self.finding: BroadBans | None = None
        """The bans, if they are too many of all addresses."""

    def start(self) -> None:
        """Begin."""
        self._looks.start(LOOK_SECONDS, now=False)

    def stop(self) -> None:
        """Stop."""
        if self._looks.running:
            self._looks.stop()

    def _check_bans(self) -> None:
        table, exempt = self._gate.table, self._gate.exempt
        bounds = table.addresses(4), table.addresses(16)
        if bounds[0] <= _MAX4 and bounds[1] <= _MAX6:
            self._counted, self.finding = None, None
        elif self._counted != (bounds, exempt):
            self._counted = bounds, exempt
            found = self._in_thread(partial(_finding, table.wide_networks(), exempt))
            found.addCallback(self._take).addErrback(self._broke)

    def _take(self, finding: BroadBans | None) -> None:
        if self._counted is None:
            return  # the bans have ended meanwhile
        was_found, self.finding = self.finding is not None, finding
        if finding is not None and not was_found:
            self._log.warn("{subject} {problem}", event="bans-broad", subject=finding.subject, problem=finding.problem)

    def _broke(self, failure: Failure) -> None:
        self._log.failure("bug in the count of banned addresses", failure)


def _finding(bans: Sequence[Ban], exempt: NetworkSet) -> BroadBans | None:
    """Return what is banned, if it is too much; may run in a thread."""
    ranges: dict[int, list[Range]] = {4: [], 16: []}
    origins: Counter[str] = Counter()
    for ban in bans:
        packed, bits = ban.key
        first, size = int.from_bytes(packed), 1 << 8 * len(packed) - bits
        ranges[len(packed)].append((first, first + size))
        # An address of IPv6 counts by its share of all, as one of IPv4 does.
        origins[ban.origin] += size << 96 if len(packed) == 4 else size
    share = breadth(NetworkSet(ranges[4], ranges[16]), exempt)
    if not share:
        return None
    names = ", ".join(origin for origin, _ in origins.most_common())
    return BroadBans(f"bans by {names}", f"refuse {share}; `mailproxy ctl show bans` lists them, `unban` ends them")
