"""
The rules of one frontend, prepared once for each reading of the configuration.

Theory of operation. Rules are tried in order. One that matches a client decides, or adds something; one that does
not is skipped. An undecided one stops the first pass, at accept: it depends on TLS, and so might what comes after it.
The second pass, when TLS is known, continues with that rule. So what was decided at accept needs nothing of TLS, and
TLS cannot contradict it.

Most rules cannot match because of the addresses alone, and most clients come from few places. All clients between two
limits of the rules' networks are alike to them, if they have connected to the same address. So the rules that may match
such clients are found once, and kept: ten rules then cost a client hardly more than one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from mailproxy.config.place import Network
from mailproxy.config.rule import Rule
from mailproxy.proxyprotocol.mapped import MAPPED, MAPPED_SIZE
from mailproxy.rules.decision import NOTHING, Decision, Pending, Step
from mailproxy.rules.prepared_condition import always, prepare
from mailproxy.rules.stated import NOTHING_STATED, StatedClient
from mailproxy.rules.subject import Subject
from mailproxy.rules.surroundings import Surroundings
from mailproxy.rules.unknown import UNKNOWN

_MAX_KNOWN = 4096
"""The most kinds of clients whose rules are kept: a trusted proxy could name any number of destinations."""

_ANYBODY = StatedClient()
"""A client of whom nothing is known."""

_from_bytes = int.from_bytes


class Rules:
    """The rules of a frontend."""

    def __init__(
        self,
        rules: Sequence[Rule],
        surroundings: Surroundings,
        *,
        has_tls: bool = True,
        prefix: tuple[int, int] = (32, 128),
    ) -> None:
        """
        `has_tls` is False for a frontend whose clients are all without TLS.

        `prefix` has the lengths of prefixes, for IPv4 and IPv6, by which sources are counted that have no others.
        """
        self._prefix = prefix
        self.rules = tuple(rules)
        self.prepared = tuple(prepare(rule.condition, surroundings, has_tls=has_tls) for rule in rules)
        self._by_address = tuple(prepare(rule.condition, NOTHING_STATED, has_tls=has_tls).test for rule in rules)
        """Each condition, as far as the addresses alone tell."""
        self._limits4 = _limits(rules, 4)
        self._limits6 = _limits(rules, 6)
        self._known: dict[object, tuple[Step, ...]] = {}

    def decide(self, subject: Subject, pending: Pending | None = None) -> Decision | Pending:
        """
        Return the decision for a client, or that it is undecided until more facts are known.

        `pending` is the result of the earlier pass.
        """
        if pending is None:
            steps, so_far = self._steps(subject), NOTHING
        else:
            steps, so_far = pending.steps, pending.so_far
        for step in steps:
            number, test, rule, alone = step
            matched = test(subject)
            if matched is False:
                continue
            if matched is None:
                return Pending(number, steps[steps.index(step) :], so_far)
            so_far = alone if so_far is NOTHING else so_far.joined(rule, number)
            if rule.decides:
                return so_far
        return so_far

    def for_everybody(self) -> Rule | None:
        """Return the rule that decides now for each client, whatever its address, its TLS and its rates; None: none."""
        for rule, prepared in zip(self.rules, self.prepared, strict=True):
            if rule.decides and prepared.test(_ANYBODY):
                return rule
        return None

    def ban_bits(self, subject: Subject, number: int) -> int | None:
        """
        Return the length of the prefix that a rule bans, which has matched a client; None: its address alone.

        It is the widest prefix by which the rule has counted: each address would make a ban of its own, and a client
        that has the network would have the next address.
        """
        source = subject.source
        if source is None or source is UNKNOWN:
            return None
        is_mapped = source.startswith(MAPPED)
        if len(source) == 4 or is_mapped:
            four = (one.bits4 for one in self.prepared[number].measures(subject))
            found = [self._prefix[0] if bits is None else bits for bits in four]
            return min(found) + 8 * len(MAPPED) * is_mapped if found else None
        six = (one.bits6 for one in self.prepared[number].measures(subject))
        return min((self._prefix[1] if bits is None else bits for bits in six), default=None)

    def _steps(self, subject: Subject) -> tuple[Step, ...]:
        """Return the rules that may match a client with these addresses."""
        source = subject.source
        if source is None or source is UNKNOWN:
            place: object = source
        elif len(source) == 4:
            place = bisect_right(self._limits4, _from_bytes(source))
        elif source.startswith(MAPPED):
            place = bisect_right(self._limits4, _from_bytes(source[MAPPED_SIZE:]))
        else:
            place = -1 - bisect_right(self._limits6, _from_bytes(source))
        kind = place, subject.destination, subject.port
        steps = self._known.get(kind)
        if steps is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            steps = self._known[kind] = tuple(self._find(subject))
        return steps

    def _find(self, subject: Subject) -> Iterator[Step]:
        client = StatedClient(source=subject.source, destination=subject.destination, port=subject.port)
        for number, rule in enumerate(self.rules):
            matched = self._by_address[number](client)
            if matched is False:
                continue
            yield number, always if matched else self.prepared[number].test, rule, NOTHING.joined(rule, number)
            if matched and rule.decides:
                return


def _limits(rules: Sequence[Rule], version: int) -> list[int]:
    """Return the first addresses of all networks of sources that rules name, and those after their ends."""
    networks = [
        place
        for rule in rules
        for _, condition in rule.conditions
        for place in condition.source
        if isinstance(place, Network) and place.version == version
    ]
    first = {int(network.network_address) for network in networks}
    return sorted(first | {int(network.broadcast_address) + 1 for network in networks})
