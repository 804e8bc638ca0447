"""
The rules of one frontend, prepared once for each reading of the configuration.

Theory of operation. Rules are tried in order. One that matches a client decides, or adds something; one that does
not is skipped. An undecided one stops the first pass, at accept: it depends on TLS, and so might what comes after it.
The second pass, when TLS is known, continues with that rule. So what was decided at accept needs nothing of TLS, and
TLS cannot contradict it.

Most rules cannot match because of the addresses alone, and most clients come from few places. All clients between two
limits of the rules' networks are alike to them, if they have connected to the same address. So the rules that may match
such clients are found once, and kept. Of the rules that wait for TLS, those that may match are kept in the same way for
all clients whose facts of TLS are equal. What else a rule asks about (lists of networks, TLVs, the time, servers,
sessions, bans, rates) is asked for each client.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator, Sequence
from ipaddress import IPv4Network

from attrs import fields_dict

from mailproxy.config.place import Network
from mailproxy.config.rule import Rule
from mailproxy.proxyprotocol.mapped import MAPPED
from mailproxy.rules.decision import NOTHING, Decision, Pending, Step
from mailproxy.rules.prepared_condition import ALWAYS, prepare
from mailproxy.rules.stated import NOTHING_STATED, StatedClient
from mailproxy.rules.subject import Subject
from mailproxy.rules.surroundings import Surroundings
from mailproxy.rules.unknown import UNKNOWN, Unknown

Destination = tuple[bytes | Unknown | None, int | Unknown | None]
"""The address and the port that a client has connected to."""

_IPV4 = IPv4Network("0.0.0.0/0")

_MAX_KNOWN = 4096
"""
The most kinds of clients whose rules are kept, and the same for facts of TLS: a trusted proxy could name any number of
destinations, and clients any number of server names.
"""

_ANYBODY = StatedClient()
"""A client of whom nothing is known."""

_ADDRESSES_AND_TLS = tuple(name for name in fields_dict(StatedClient) if name != "tlvs")
"""The facts that clients have in common who have the same rules after TLS."""


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
        self._by_facts = tuple(prepare(rule.condition, NOTHING_STATED, has_tls=has_tls).test for rule in rules)
        """Each condition, as far as the facts of a client alone tell."""
        self._alone = tuple(NOTHING.joined(rule, number) for number, rule in enumerate(rules))
        self._limits = _limits(rules)
        self._known: dict[object, Step | None] = {}
        self._known_after_tls: dict[tuple[Step, Hashable], Step | None] = {}

    def decide(
        self, subject: Subject, pending: Pending | None = None, tls: Hashable | None = None
    ) -> Decision | Pending:
        """
        Return the decision for a client, or that it is undecided until more facts are known.

        `pending` is the result of the earlier pass. `tls` is a value that clients share only if all their facts of TLS
        are equal: the rules that may match them are kept by it. With None, nothing is kept.
        """
        if pending is not None:
            so_far, step = pending.so_far, self._step_after_tls(pending.step, tls, subject)
        else:
            so_far, source, destination = NOTHING, subject.source, (subject.destination, subject.port)
            if isinstance(source, bytes):
                step = self.first_step(source, destination)
            else:
                step = self._kept((source, destination), source, destination)
        return so_far if step is None else step.decide(subject, so_far)

    def first_step(self, source: bytes, destination: Destination) -> Step | None:
        """Return the first rule that may match a client with these addresses now; None: none does."""
        kind = bisect_right(self._limits, source), len(source), destination
        try:
            step = self._known[kind]
        except KeyError:
            step = self._kept(kind, source, destination)
        # Rules that are the same for all clients of a moment are skipped here: then most clients have no rule left, and
        # nobody has to describe them.
        while step is not None and not step.asks_client:
            test = step.test  # calls of local variables are faster than those of attributes
            if test(_ANYBODY) is not False:
                break
            step = step.next
        return step

    def _kept(self, kind: object, source: bytes | Unknown | None, destination: Destination) -> Step | None:
        """Return the first rule that may match the clients of a kind, of whom one has these addresses; and keep it."""
        if kind not in self._known:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            client = StatedClient(source=source, destination=destination[0], port=destination[1])
            self._known[kind] = self._find(range(len(self.rules)), client)
        return self._known[kind]

    def _step_after_tls(self, first: Step, tls: Hashable | None, subject: Subject) -> Step | None:
        """Return the first one that may match a client, of the rules from `first` on; keep it for all with this TLS."""
        if tls is None:
            return first
        try:
            return self._known_after_tls[first, tls]
        except KeyError:
            if len(self._known_after_tls) >= _MAX_KNOWN:
                self._known_after_tls.clear()
            client = StatedClient(**{name: getattr(subject, name) for name in _ADDRESSES_AND_TLS})
            step = self._known_after_tls[first, tls] = self._find(first.numbers, client)
            return step

    def _find(self, numbers: Iterable[int], client: StatedClient) -> Step | None:
        """Return the first of the rules with these numbers that may match clients with these facts."""
        found = []
        for number in numbers:
            matched = self._by_facts[number](client)
            if matched is not False:
                found.append((number, matched))
            if matched and self.rules[number].decides:
                break
        step = None
        for number, matched in reversed(found):
            prepared = ALWAYS if matched else self.prepared[number]
            step = Step(number, prepared.test, prepared.asks_client, self.rules[number], self._alone[number], step)
        return step

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


def _limits(rules: Sequence[Rule]) -> list[bytes]:
    """
    Return the first addresses of all networks of sources that rules name, and those after their ends, in order.

    They are packed: bytes of one length are in the order of the addresses, and both lengths may be in one list. IPv4
    is there in IPv6 form as well.
    """
    limits = set(_limits_of(_IPV4))  # no network of IPv6 has clients of IPv4, in whatever form
    for rule in rules:
        for _, condition in rule.conditions:
            for place in condition.source:
                if isinstance(place, Network):
                    limits.update(_limits_of(place))
    return sorted(limits)


def _limits_of(network: Network) -> Iterator[bytes]:
    for form in (b"",) if network.version == 6 else (b"", MAPPED):
        first, last = form + network.network_address.packed, form + network.broadcast_address.packed
        yield first
        after, size = int.from_bytes(last) + 1, len(last)
        if after < 1 << 8 * size:
            yield after.to_bytes(size)
