"""What rules have decided for one client."""

from __future__ import annotations

from attrs import evolve, frozen

from mailproxy.config.model import CustomTlv
from mailproxy.config.refuse import Refuse
from mailproxy.config.rule import Rule


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
    held: tuple[int, ...] = ()
    """The numbers of the rules that were true, from 0."""

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
            held=(*self.held, number),
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
"""The decision if no rule is true of a client: it gets the frontend's backend."""


@frozen
class Pending:
    """The state of a client whose decision needs what only TLS tells."""

    step: int
    """The place of the rule that is tried next among those that can be true."""
    number: int
    """The number of that rule, from 0."""
    so_far: Decision
