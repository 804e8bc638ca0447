"""Rules that are kept for addresses and for facts of TLS decide about each client as if nothing was kept."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address
from typing import Any

from attrs import define, evolve, field
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.networks.list_file import parse_list
from mailproxy.networks.network_list import ReadList
from mailproxy.proxyprotocol import Header, InetAddress, Tlv
from mailproxy.rules.decision import NOTHING, Decision, Pending
from mailproxy.rules.rules import Rules
from mailproxy.rules.subject import Subject
from mailproxy.rules.unknown import UNKNOWN, Unknown
from mailproxy.session.client_subject import ClientSubject
from mailproxy.session.ruling import try_rules, try_rules_again
from mailproxy.session.termination import Ending
from mailproxy.tls.facts import TlsFacts
from tests.announce.builders import TLS13
from tests.config.builders import FOLDER, read
from tests.examples import examples
from tests.rules.builders import Around
from tests.tls.issue import issue


@define(eq=False)
class Arrived:
    """A session, as far as rules decide about it."""

    source: Any
    destination: Any
    header: Header | None
    facts: TlsFacts | None = None
    terms: None = None
    is_local: bool = False
    ruling: Decision | Pending | None = None
    counted: list[Decision] = field(factory=list)
    lost: list[str] = field(factory=list)

    def ruled(self, decision: Decision) -> None:
        self.counted.append(decision)

    def lose(self, ending: Ending, reason: str) -> None:
        self.lost.append(reason)

    part = lose


# Rules.

KEYS: list[dict[str, Any]] = [
    *({"source": place} for place in ("10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "2001:db8::/32", "::/0", "unix")),
    {"source": "@office"},
    {"source": ["192.0.2.0/24", "@office"]},
    *({"destination": place} for place in ("192.0.2.1", "@office", "unix")),
    {"port": 993},
    *({"sni": name} for name in ("mail.*", "*", "~^old[0-9]*[.]")),
    {"alpn": "imap"},
    {"tls-version": "1.2"},
    {"cipher": "*GCM*"},
    {"group": "x25519"},
    {"resumed": True},
    {"client-cn": "alice"},
    {"client-verified": True},
    {"client-verified": False},
    {"tlv": {"0xE5": "blue"}},
    {"servers-up": {"backend": "dovecot", "under": 1}},
    {"servers-up": {"backend": "dovecot", "over": 0, "under": 2}},
    {"sessions": {"frontend": "imaps", "over": 1}},
    {"time": "Mon 00:00-12:00"},
    {"banned": True},
    {"source-rate": {"over": "1/1m"}},
]
KEY = st.sampled_from(KEYS)
CONDITIONS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    KEY,
    st.builds(lambda one: {"not": one}, KEY),
    st.builds(lambda one, other: {"all": [one, {"not": other}]}, KEY, KEY),
    st.builds(lambda one, other: {"any": [one, other]}, KEY, KEY),
)
GOES_ON: list[dict[str, Any]] = [{"label": "x"}, {"label": "y"}, {"tlv": {"type": 0xE1, "value": "a"}}]
DECIDES: list[dict[str, Any]] = [{"backend": "other"}, {"refuse": "close"}, {"accept": True}]
ACTIONS = st.sampled_from([*GOES_ON, *GOES_ON, *DECIDES])
RULES = st.lists(
    st.builds(lambda condition, action: {"if": condition} | action, CONDITIONS, ACTIONS), min_size=2, max_size=8
)


# Clients.


@cache
def certificate() -> bytes:
    return issue("alice.example.org", common_name="alice").certificate.public_bytes(Encoding.DER)


def arrived(place: tuple[str | None, int, str], tlvs: tuple[Tlv, ...] | None) -> Arrived:
    """A client of an internet address, or of a UNIX socket, with a header if there are TLVs for it."""
    host, port, to = place
    if host is None:
        return Arrived(None, None, None if tlvs is None else Header(tlvs=tlvs))
    if tlvs is None:
        return Arrived((ip_address(host).packed, 50000), (ip_address(to).packed, port), None)
    source, destination = InetAddress(ip_address(host), 50000), InetAddress(ip_address(to), port)
    return Arrived(source, destination, Header(tlvs=tlvs))


SOURCES = ("10.0.0.1", "10.1.2.3", "192.0.2.9", "2001:db8::1", "::1", "::ffff:10.1.2.3", None)
PLACES = st.tuples(st.sampled_from(SOURCES), st.sampled_from([993, 143]), st.sampled_from(["192.0.2.1", "10.1.2.4"]))
TLVS = st.sampled_from([None, (), (Tlv(0xE5, b"blue"),)])


@st.composite
def tls_facts(draw: st.DrawFn) -> TlsFacts:
    shown = draw(st.booleans())
    return evolve(
        TLS13,
        version=draw(st.sampled_from(["TLSv1.2", "TLSv1.3"])),
        server_name=draw(st.sampled_from([None, "mail.example.org", "old7.example.org"])),
        resumed=draw(st.booleans()),
        client_certificate=certificate() if shown else None,
        client_common_names=("alice",) if shown else (),
        verify=draw(st.sampled_from([0, 18])) if shown else 1,
    )


def changed(around: Around, office: str, up: int, sessions: int, minute: int, rate: float, is_banned: bool) -> None:
    """Change everything around the clients."""
    around.lists.take(ReadList(f"{FOLDER}/office", parse_list(office.encode(), ""), (1,)))
    around.numbers = {"servers dovecot": up, "frontend imaps": sessions}
    around.now, around.counts = minute, {"source-rate": rate}
    around.bans = frozenset(ip_address(host).packed for host in SOURCES if host is not None and is_banned)


CHANGES = st.tuples(
    st.sampled_from(["10.1.0.0/16\n", "10.1.2.4\n2001:db8::/64\n"]),
    st.integers(0, 2),
    st.integers(1, 2),
    st.sampled_from([60, 780]),
    st.sampled_from([1.0, 2.0]),
    st.booleans(),
)


@st.composite
def visits_of_few(draw: st.DrawFn) -> list[Any]:
    """Visits from few places with few kinds of TLS, each with its TLVs and with what is around it before and after."""
    places = draw(st.lists(PLACES, min_size=1, max_size=3))
    kinds = draw(st.lists(st.none() | tls_facts(), min_size=1, max_size=2))
    visit = st.tuples(st.sampled_from(places), TLVS, st.sampled_from(kinds), CHANGES, CHANGES)
    return draw(st.lists(visit, min_size=4, max_size=12))


def plainly(rules: Rules, subject: Subject, number: int = 0, so_far: Decision = NOTHING) -> tuple[int | None, Decision]:
    """The number of the rule that is undecided, if one is, and the decision so far: each rule is asked in its turn."""
    for turn, rule in enumerate(rules.rules[number:], number):
        matched = rules.prepared[turn].test(subject)
        if matched is None:
            return turn, so_far
        if matched:
            so_far = so_far.joined(rule, turn)
            if rule.decides:
                break
    return None, so_far


def outcome(ruling: Decision | Pending | None) -> tuple[int | None, Decision | None]:
    return (ruling.step.number, ruling.so_far) if isinstance(ruling, Pending) else (None, ruling)


@examples(400)
@given(RULES, visits_of_few())
def test_rules_that_are_kept_decide_as_all_in_their_turn(tables: list[dict[str, Any]], visits: list[Any]) -> None:
    around = Around()
    changed(around, "", 0, 1, 0, 1.0, is_banned=False)
    other = {"server": {"d1": {"address": "10.41.1.132:143"}}}
    settings = read(
        backend__other=other,
        frontend__imaps__rule=tables,
        frontend__imaps__accept_proxy=["10.0.0.0/8"],
        tls__default__client_certificates="optional",
        tls__default__client_ca="/clients.pem",
    )
    rules = Rules(settings.frontends[0].rules, around)
    for place, tlvs, tls, at_accept, after_tls in visits:
        session = arrived(place, tlvs)
        tries: list[tuple[Any, Unknown | TlsFacts | None]] = [(try_rules, UNKNOWN), (try_rules_again, tls)]
        undecided: int | None = 0
        expected = NOTHING
        for change, (try_them, known) in zip((at_accept, after_tls), tries, strict=True):
            changed(around, *change)
            if undecided is not None:
                undecided, expected = plainly(rules, ClientSubject(session, known), undecided, expected)
            goes_on = try_them(session, rules, known)
            assert outcome(session.ruling) == (undecided, expected)
            assert goes_on == (undecided is not None or expected.refusal is None)
            if not goes_on:
                break
        assert session.counted == ([expected] if expected.matched else [])
        assert session.lost == ([expected.rule] if expected.refusal else [])
