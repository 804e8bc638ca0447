"""Reads ``[[frontend.NAME.rule]]``: what is done with some clients."""

import re
from collections.abc import Iterator
from functools import partial

from attrs import evolve, field, frozen

from mailproxy.config.bandwidth import BANDWIDTH
from mailproxy.config.client_place import ListFile
from mailproxy.config.condition import ALWAYS, Condition, read_condition
from mailproxy.config.duration import WAIT, duration
from mailproxy.config.key import Fields, about, about_table, read_keys
from mailproxy.config.kind import BOOLEAN, NAME, Kind, WrongValue, text
from mailproxy.config.model import CustomTlv, MailProtocol
from mailproxy.config.refuse import REFUSE, Refuse
from mailproxy.config.table import Table
from mailproxy.config.tlv import CUSTOM_TEXT, CUSTOM_TLV_TYPE, check_value
from mailproxy.config.words import key_path, quoted
from mailproxy.mail.protocols import TCP

MAX_RULES = 1000
"""Each client is compared with the rules one after the other."""

_RULE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def _rule_name(value: str) -> str:
    if not _RULE_NAME.fullmatch(value):
        raise WrongValue(f"is {quoted(value)}, needs lower-case letters, digits and hyphens, at most 63")
    return value


_NAME: Kind[str] = Kind((str,), 'a name such as "office"', _rule_name, "name", {"pattern": f"^{_RULE_NAME.pattern}$"})

_BAN = duration(at_most="365d")


@frozen(kw_only=True)
class RuleTlv:
    """The TLV that a rule adds to the header for the server."""

    type: int | None = field(
        default=None,
        metadata=about(
            CUSTOM_TLV_TYPE, "The type, by name or number, such as `0xE5`.", values="name or number", is_needed=True
        ),
    )
    value: bytes | None = field(
        default=None,
        metadata=about(
            CUSTOM_TEXT, 'The value: `"text"`, or `"hex:00ff"`.', values='text or `"hex:…"`', is_needed=True
        ),
    )


@frozen(kw_only=True)
class Rule:
    """What is done with the clients of whom a condition is true."""

    name: str = field(
        default="",
        metadata=about(_NAME, "Its name, in the log and in `ctl`.", default='`"rule 1"`, …'),
    )
    condition: Condition = field(
        default=ALWAYS,
        metadata=about_table(
            Fields(Condition),
            "What a client has to match, [see below](#if-of-a-rule). A rule without it is for every client.",
            name="if",
            default="none",
            haproxy="acl",
        ),
    )
    backend: str | None = field(
        default=None,
        metadata=about(NAME, "The `[backend.NAME]` for the client.", values="name", haproxy="use_backend"),
    )
    accept: bool = field(
        default=False,
        metadata=about(BOOLEAN, "With `true`, the client gets the frontend's backend, and no further rule is tried."),
    )
    refuse: Refuse | None = field(
        default=None,
        metadata=about(
            REFUSE,
            "Refuse the client: in the protocol's words for a temporary or a permanent failure, without a word, or in "
            'words of your own (a temporary failure; `"permanent: …"` for the other). Words need TLS where the client '
            "begins with it, so the handshake comes first; `close` is at once.",
            haproxy=("tcp-request connection", "tcp-request content", "reject"),
            example='refuse = "close"',
        ),
    )
    tarpit: float = field(
        default=0.0,
        metadata=about(
            WAIT,
            "Keep the client waiting for this time before it is refused. Of more than 1,000 such clients in a process "
            "the newest are refused at once.",
            default="none",
            haproxy="timeout tarpit",
        ),
    )
    ban: float = field(
        default=0.0,
        metadata=about(
            _BAN,
            "Ban the client's address for this time, or the network by which the rule counts sources. Without another "
            "action the client is refused without a word.",
            default="none",
        ),
    )
    label: str | None = field(
        default=None,
        metadata=about(
            text('a label such as "office", one line'),
            "A word for the session's log line. This key, `tlv` and `bandwidth` alone do not end the rules: the "
            "next one is tried.",
            values="text",
        ),
    )
    tlv: CustomTlv | None = field(
        default=None,
        metadata=about_table(
            Fields(RuleTlv),
            'A TLV for the header to the server: `{ type = 0xE5, value = "office" }`; it replaces the one of this '
            "type in `proxy-v2-tlvs`.",
            default="none",
            haproxy="set-proxy-v2-tlv-fmt",
        ),
    )
    bandwidth: int | None = field(
        default=None,
        metadata=about(
            BANDWIDTH,
            "The most bytes per second that the session gets, each way.",
            haproxy=("set-bandwidth-limit", "filter bwlim-out", "filter bwlim-in"),
            example='bandwidth = "1MiB/s"',
        ),
    )

    @property
    def decides(self) -> bool:
        """True if no further rule is tried after it."""
        return self.backend is not None or self.accept or self.refuse is not None or bool(self.ban)

    @property
    def refusal(self) -> Refuse | None:
        """How it refuses the client; None if it does not."""
        if self.refuse is None and self.ban and self.backend is None and not self.accept:
            return Refuse("close")
        return self.refuse

    @property
    def conditions(self) -> Iterator[tuple[str, Condition]]:
        """Its condition and all those inside it, each with its key."""
        return _all("if", self.condition)

    @property
    def backends(self) -> tuple[str, ...]:
        """The backends that it names, as its own or in its conditions."""
        own = () if self.backend is None else (self.backend,)
        up = (one.servers_up.backend for _, one in self.conditions if one.servers_up is not None)
        busy = (one.sessions.backend for _, one in self.conditions if one.sessions is not None)
        return tuple(dict.fromkeys((*own, *up, *(name for name in busy if name is not None))))

    @property
    def list_files(self) -> tuple[str, ...]:
        """The paths of the files that list networks for it."""
        places = (place for _, one in self.conditions for place in (*one.source, *one.destination))
        return tuple(dict.fromkeys(place.path for place in places if isinstance(place, ListFile)))


def _all(key: str, condition: Condition) -> Iterator[tuple[str, Condition]]:
    yield key, condition
    for name, inner in (("any", condition.any_of), ("all", condition.all_of)):
        for number, one in enumerate(inner):
            yield from _all(f"{key}.{name}[{number}]", one)
    if condition.none_of is not None:
        yield from _all(f"{key}.not", condition.none_of)


def rule_key(frontend: str, number: int) -> str:
    """Return the path of a frontend's rule, the first one has the number 0."""
    return f"{key_path('frontend', frontend, 'rule')}[{number}]"


def default_name(number: int) -> str:
    """Return the name of a rule that has none in the file; the first one, with the number 0, is ``rule 1``."""
    return f"rule {number + 1}"


def shown_rule(name: str) -> str:
    """Return how people call a rule: ``rule office``, or ``rule 1`` for the first one, if it has no name."""
    return name if " " in name else f"rule {name}"


def read_rules(folder: str, protocol: MailProtocol, table: Table) -> tuple[Rule, ...]:
    """Read the rules of a frontend with this protocol; relative paths of files start at `folder`."""
    taken: set[str] = set()
    rules = table.tables("rule", partial(_read_rule, folder, protocol, taken))
    if len(rules) > MAX_RULES:
        table.report("rule", f"has {len(rules)} tables; a frontend has {MAX_RULES} rules at most")
    return tuple(rule if rule.name else evolve(rule, name=default_name(number)) for number, rule in enumerate(rules))


def _read_rule(folder: str, protocol: MailProtocol, taken: set[str], table: Table) -> Rule:
    rule = read_keys(table, Rule())
    if rule.name in taken:
        table.report("name", f"is {quoted(rule.name)}, the name of an earlier rule; choose another")
    if rule.name:
        taken.add(rule.name)
    rule = evolve(
        rule,
        condition=table.child_if_there("if", partial(read_condition, folder)) or ALWAYS,
        tlv=table.child_if_there("tlv", _read_tlv),
    )
    actions = [key for key in ("backend", "accept", "refuse") if key in table and (key != "accept" or rule.accept)]
    if len(actions) > 1:
        table.report(actions[1], f"and {actions[0]} exclude each other; choose one")
    if not (actions or any(key in table for key in ("label", "tlv", "bandwidth", "ban"))) and table.is_sound("accept"):
        table.report_itself("does nothing; write backend, accept, refuse, ban, label, tlv or bandwidth")
    if "tarpit" in table and rule.refusal is None and table.is_sound("refuse", "ban"):
        table.report("tarpit", 'is for clients that are refused; write refuse = "temporary" as well')
    if protocol == TCP and rule.refuse is not None and (rule.refuse.text or rule.refuse.kind != "close"):
        table.report("refuse", f'is {quoted(str(rule.refuse))}, and protocol = "tcp" has no words; use "close"')
    return rule


def _read_tlv(table: Table) -> CustomTlv | None:
    read = read_keys(table, RuleTlv())
    if read.type is None or read.value is None:
        return None
    try:
        check_value(read.type, read.value)
    except WrongValue as error:
        table.report("value", str(error))
    return CustomTlv(read.type, read.value)
