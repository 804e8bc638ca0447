"""What rules have decided for one client."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve, frozen

from mailproxy.config.model import CustomTlv
from mailproxy.config.refuse import Refuse
from mailproxy.config.rule import Rule
from mailproxy.rules.subject import Subject
from mailproxy.rules.unknown import Test


@frozen
class Decision:
    """The decision for one client."""

    rule: str = ""
    """The name of the rule that decided; empty if none did."""
    backend: str | None = None
    """The backend's name; None: the frontend's own."""
    refusal: Refuse | None = None
    tarpit: float = 0.0
    """The seconds for which it waits before it is refused."""
    ban: float = 0.0
    """The seconds for which its address is banned; 0: it is not."""
    label: str = ""
    tlvs: tuple[CustomTlv, ...] = ()
    """TLVs for the server, of different types."""
    bandwidth: int = 0
    """Bytes per second, each way; 0: no limit."""
    matched: tuple[int, ...] = ()
    """The numbers of the rules that matched, from 0."""

    def joined(self, rule: Rule, number: int) -> Decision:
        """Return this with what a rule adds; it replaces an earlier label, bandwidth, or TLV of the same type."""
        tlvs = self.tlvs
        if rule.tlv is not None:
            tlvs = (*(tlv for tlv in tlvs if tlv.type != rule.tlv.type), rule.tlv)
        joined = evolve(
            self,
            label=rule.label or self.label,
            tlvs=tlvs,
            bandwidth=rule.bandwidth or self.bandwidth,
            matched=(*self.matched, number),
        )
        if not rule.decides:
            return joined
        return evolve(
            joined,
            rule=rule.name,
            backend=rule.backend,
            refusal=rule.refusal,
            tarpit=rule.tarpit,
            ban=rule.ban,
        )


NOTHING = Decision()
"""The decision if no rule matches a client: it gets the frontend's backend."""


@frozen(eq=False)
class Step:
    """A rule that some clients may match, and the rules after it that they may match."""

    number: int
    """The number of the rule, from 0."""
    test: Test[Subject]
    """Whether its condition matches a client."""
    asks_client: bool
    """False if the answer is the same for all clients of a moment."""
    rule: Rule
    alone: Decision
    """The decision if it alone matches."""
    next: Step | None

    @property
    def numbers(self) -> Iterator[int]:
        """The numbers of the rules from this one on."""
        step: Step | None = self
        while step is not None:
            yield step.number
            step = step.next

    def decide(self, subject: Subject, so_far: Decision) -> Decision | Pending:
        """Return the decision of these rules for a client, or that it is undecided until more facts are known."""
        step: Step | None = self
        while step is not None:
            test = step.test  # calls of local variables are faster than those of attributes
            matched = test(subject)
            if matched is False:
                step = step.next
                continue
            if matched is None:
                return Pending(step, so_far)
            so_far = step.alone if so_far is NOTHING else so_far.joined(step.rule, step.number)
            if step.rule.decides:
                break
            step = step.next
        return so_far


@frozen(eq=False)
class Pending:
    """The state of a client whose decision needs what only TLS tells."""

    step: Step
    """The rule that is tried next, and those after it."""
    so_far: Decision
