"""Rules in the configuration."""

from ipaddress import ip_network
from typing import Any

import pytest

from mailproxy.config import remarks
from mailproxy.config.client_place import ListFile
from mailproxy.config.condition import ALWAYS
from mailproxy.config.difference import differences
from mailproxy.config.measure import Measure
from mailproxy.config.refuse import Refuse
from mailproxy.config.rule import Rule, shown_rule
from tests.config.builders import FOLDER, problem, problems, read

OTHER = {"server": {"d1": {"address": "10.41.1.132:10143"}}}


def rules(*tables: dict[str, Any], **changes: object) -> tuple[Rule, ...]:
    return read(frontend__imaps__rule=list(tables), **changes).frontends[0].rules


def rule(**keys: object) -> Rule:
    (only,) = rules({"label": "x"} | {name.replace("_", "-"): value for name, value in keys.items()})
    return only


def wrong(*tables: dict[str, Any], **changes: object) -> str:
    return problem(frontend__imaps__rule=list(tables), **changes).removeprefix("frontend.imaps.")


def wrong_if(**keys: object) -> str:
    condition = {name.replace("_", "-"): value for name, value in keys.items()}
    return wrong({"label": "x", "if": condition}).removeprefix("rule[0].")


def test_rule_without_a_condition_is_for_every_client() -> None:
    assert rule().condition == ALWAYS


def test_rules_are_named_by_their_numbers() -> None:
    assert [one.name for one in rules({"label": "a"}, {"label": "b", "name": "office"})] == ["rule 1", "office"]


def test_value_may_be_without_brackets() -> None:
    assert rule(**{"if": {"port": 993}}) == rule(**{"if": {"port": [993]}})


def test_paths_of_lists_begin_at_the_folder() -> None:
    found = rule(**{"if": {"source": ["@lists/office.txt", "10.0.0.0/8"], "any": [{"source": "@/b"}]}})
    assert found.condition.source == (ListFile(f"{FOLDER}/lists/office.txt"), ip_network("10.0.0.0/8"))
    assert found.list_files == (f"{FOLDER}/lists/office.txt", "/b")


def test_conditions_inside_have_keys() -> None:
    nested = {"any": [{"port": 1}, {"not": {"port": 2}}], "all": [{"port": 3}], "not": {"port": 4}}
    assert [(key, one.port) for key, one in rule(**{"if": nested}).conditions] == [
        ("if", ()),
        ("if.any[0]", (1,)),
        ("if.any[1]", ()),
        ("if.any[1].not", (2,)),
        ("if.all[0]", (3,)),
        ("if.not", (4,)),
    ]


def test_what_is_to_be_counted_is_known() -> None:
    condition = {
        "source-connections": {"over": 20, "per": "/64"},
        "not": {"source-rate": {"over": "30/1m", "per": ["/24", "/48"]}},
        "any": [{"auth-failures": {"over": "10/10m"}}],
    }
    assert rule(**{"if": condition}).condition.measures == {
        Measure("source-connections", 0.0, None, 64),
        Measure("source-rate", 60.0, 24, 48),
        Measure("auth-failures", 600.0),
    }


def test_ban_alone_refuses_without_a_word() -> None:
    (found,) = rules({"ban": "10m"})
    assert (found.decides, found.refusal, found.ban) == (True, Refuse("close"), 600.0)


@pytest.mark.parametrize("keys", [{"label": "x"}, {"bandwidth": "1MiB/s"}, {"tlv": {"type": 0xE5, "value": "x"}}])
def test_rule_without_a_deciding_action_does_not_decide(keys: dict[str, Any]) -> None:
    assert not rules(keys)[0].decides


@pytest.mark.parametrize("keys", [{"backend": "dovecot"}, {"accept": True}, {"refuse": "close"}])
def test_rule_with_a_deciding_action_decides(keys: dict[str, Any]) -> None:
    assert rules(keys)[0].decides


def test_backends_of_rules_are_the_frontends() -> None:
    config = read(
        backend__other=OTHER,
        frontend__imaps__rule=[{"backend": "other", "if": {"servers-up": {"backend": "dovecot", "under": 1}}}],
    )
    assert config.frontends[0].backends == ("dovecot", "other")
    assert config.used_backends == (("dovecot", "imap"), ("other", "imap"))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "rule[0]: does nothing; write backend, accept, refuse, ban, label, tlv or bandwidth"),
        ({"accept": False}, "rule[0]: does nothing; write backend, accept, refuse, ban, label, tlv or bandwidth"),
        ({"accept": "yes"}, 'rule[0].accept: is the string "yes", needs true or false'),
        ({"ban": "0s", "tarpit": "10s"}, 'rule[0].ban: is "0s"'),
        ({"label": "x", "if": "office"}, 'rule[0].if: is the string "office", needs a table'),
        ({"backend": "dovecot", "accept": True}, "rule[0].accept: and backend exclude each other; choose one"),
        ({"backend": "dovecot", "refuse": "close"}, "rule[0].refuse: and backend exclude each other; choose one"),
        (
            {"label": "x", "tarpit": "10s"},
            'rule[0].tarpit: is for clients that are refused; write refuse = "temporary" as well',
        ),
        (
            {"label": "x", "bakend": "dovecot"},
            'rule[0].bakend: is not a key that mailproxy knows; did you mean "backend"?',
        ),
        (
            {"label": "x", "name": "Office"},
            'rule[0].name: is "Office", needs lower-case letters, digits and hyphens, at most 63',
        ),
        (
            {"backend": "dovcot"},
            'rule[0].backend: is "dovcot", and there is no [backend.dovcot]; did you mean "dovecot"?',
        ),
        ({"tlv": {"value": "x"}}, "rule[0].tlv.type: is missing, needs a TLV's name"),
        (
            {"tlv": {"type": "ssl", "value": "x"}},
            "rule[0].tlv.type: cannot be set: mailproxy writes what it saw itself",
        ),
        (
            {"tlv": {"type": 0xE5, "value": {"format": "{sni}"}}},
            'rule[0].tlv.value: is a table, needs a string such as "text" or "hex:00ff"',
        ),
        ({"tlv": {"type": "authority", "value": ""}}, "rule[0].tlv.value: is empty; leave it out"),
    ],
)
def test_wrong_rule_is_named(keys: dict[str, Any], words: str) -> None:
    assert wrong(keys).startswith(words)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "if: is an empty table; a rule without a condition is for every client"),
        ({"source": []}, "if.source: is empty, so no client would match; leave it out"),
        ({"source": ["10.0.0.1/8"]}, 'if.source[0]: is "10.0.0.1/8", which has bits beyond the prefix'),
        ({"source": "@"}, 'if.source: is "@", needs the path of a file after @'),
        ({"source": "office"}, 'if.source: is "office", needs a network such as'),
        ({"sourc": "10.0.0.0/8"}, 'if.sourc: is not a key that mailproxy knows; did you mean "source"?'),
        ({"src": "10.0.0.0/8"}, 'if.src: is not a key that mailproxy knows; did you mean "source"'),
        ({"client_fingerprint": "ab"}, 'if.client-fingerprint: is "ab", needs a SHA-256 fingerprint'),
        ({"tls_version": "1.1"}, 'if.tls-version: is "1.1", needs one of "1.2", "1.3"'),
        ({"tlv": {"azur": "1"}}, 'if.tlv.azur: is "azur", which is not a TLV; did you mean "azure"?'),
        ({"tlv": {"azure": "1", "0xEE": "2"}}, "if.tlv.0xEE: is the same type as another key here"),
        ({"tlv": {"azure": []}}, "if.tlv.azure: is empty, so no client would match; leave it out"),
        ({"tlv": {}}, "if.tlv: is empty, so no client would match; leave it out"),
        ({"servers_up": {"backend": "dovecot"}}, "if.servers-up: needs a number: under = 1, or over = 100"),
        (
            {"servers_up": {"backend": "dovecot", "under": 3, "over": 2}},
            "if.servers-up.under: is 3, and no number is under 3 and over 2; for one of the two, use any",
        ),
        ({"servers_up": 1}, "if.servers-up: is the number 1, needs a table"),
        ({"servers_up": {"backend": "d", "under": 1}}, 'if.servers-up.backend: is "d", and there is no [backend.d]'),
        ({"sessions": {"over": 1}}, "if.sessions: needs the name of a frontend or of a backend, one of the two"),
        (
            {"sessions": {"frontend": "imap", "over": 1}},
            'if.sessions.frontend: is "imap", and there is no [frontend.imap]',
        ),
        (
            {"sessions": {"backend": "imap", "over": 1}},
            'if.sessions.backend: is "imap", and there is no [backend.imap]',
        ),
        ({"source_rate": {}}, 'if.source-rate.over: is missing, needs a rate such as "30/1m"'),
        (
            {"source_rate": {"over": "1/1m", "per": ["/24", "/32"]}},
            "if.source-rate.per: has two lengths for one family",
        ),
        ({"source_rate": {"over": "1/1m", "per": "64"}}, 'if.source-rate.per: is "64", needs the length of a prefix'),
        ({"any": {"port": 1}}, "if.any: is a table, needs a list of tables"),
        ({"any": [1]}, "if.any[0]: is the number 1, needs a table"),
        ({"any": [{}]}, "if.any[0]: is an empty table"),
        ({"not": {"port": 0}}, "if.not.port: is 0, needs a whole number from 1 to 65535"),
        ({"all": [{"any": [{"time": "now"}]}]}, "if.all[0].any[0].time: is"),
    ],
)
def test_wrong_condition_is_named(keys: dict[str, Any], words: str) -> None:
    assert wrong_if(**keys).startswith(words)


def test_names_are_used_once() -> None:
    words = wrong({"label": "a", "name": "x"}, {"label": "b", "name": "x"})
    assert words == 'rule[1].name: is "x", the name of an earlier rule; choose another'


@pytest.mark.parametrize("refuse", ["temporary", "permanent", "go away please"])
def test_tcp_has_no_words(refuse: str) -> None:
    words = wrong({"refuse": refuse}, frontend__imaps__protocol="tcp")
    assert words == f'rule[0].refuse: is "{refuse}", and protocol = "tcp" has no words; use "close"'


def test_backend_of_a_rule_needs_a_port_for_the_protocol() -> None:
    portless = {"server": {"d1": {"address": "10.41.1.132"}}}
    (found,) = problems(backend__other=portless, frontend__imaps__rule=[{"backend": "other"}])
    assert found.startswith("backend.other.ports: has no imap, which frontend.imaps needs")


def test_too_many_rules_are_refused() -> None:
    assert wrong(*({"label": "x"} for _ in range(1001))) == "rule: has 1001 tables; a frontend has 1000 rules at most"


def remarks_on(*tables: dict[str, Any], **changes: object) -> list[str]:
    config = read(frontend__imaps__rule=list(tables), **changes)
    return [str(remark).removeprefix("frontend.imaps.") for remark in remarks(config)]


OFFICE = {"source": "10.0.0.0/8"}


def test_rules_that_can_be_reached_have_no_remark() -> None:
    assert remarks_on({"if": OFFICE, "label": "x"}, {"if": OFFICE, "accept": True}, {"refuse": "close"}) == []


def test_rule_after_one_for_everybody_is_never_reached() -> None:
    assert remarks_on({"name": "all", "refuse": "close"}, {"if": OFFICE, "accept": True}) == [
        "rule[1]: rule 2 is never reached: rule all before it is for every client"
    ]


def test_rule_that_is_never_reached_is_named_if_it_has_a_name() -> None:
    assert remarks_on({"refuse": "close"}, {"name": "late", "accept": True}) == [
        "rule[1]: rule late is never reached: rule 1 before it is for every client"
    ]


@pytest.mark.parametrize("later", [OFFICE, OFFICE | {"port": 993}, {"all": [OFFICE, {"port": 993}]}])
def test_rule_after_one_for_more_clients_is_never_reached(later: dict[str, Any]) -> None:
    assert remarks_on({"name": "office", "if": OFFICE, "accept": True}, {"if": later, "refuse": "close"}) == [
        "rule[1]: rule 2 is never reached: rule office before it decides for all clients of this one's condition"
    ]


def test_tls_condition_without_tls_is_never_true() -> None:
    clear = {"bind": ["0.0.0.0:143"], "protocol": "imap", "tls": "none", "backend": "dovecot"}
    config = read(frontend__imap=clear | {"rule": [{"if": {"not": {"sni": "a"}}, "refuse": "close"}]})
    assert [str(one) for one in remarks(config)] == [
        'frontend.imap.rule[0].if.not.sni: is never true: frontend.imap has tls = "none"'
    ]


def test_certificate_condition_without_certificates_is_never_true() -> None:
    assert remarks_on({"if": {"client-cn": "alice"}, "accept": True}) == [
        "rule[0].if.client-cn: is never true: tls.default asks clients for no certificate; write "
        'client-certificates = "optional"'
    ]


def test_tlv_condition_without_headers_is_never_true() -> None:
    assert remarks_on({"if": {"tlv": {"azure": "1"}}, "accept": True}) == [
        "rule[0].if.tlv: is never true: there is no accept-proxy, so no PROXY header is read"
    ]


def test_unix_clients_without_a_socket_are_none() -> None:
    assert remarks_on({"if": {"source": "unix"}, "accept": True}) == [
        'rule[0].if.source: has "unix", and the frontend binds no UNIX socket'
    ]


def test_tlv_needs_a_header_of_version_2() -> None:
    tlv = {"type": 0xE5, "value": "x"}
    assert remarks_on({"tlv": tlv}, backend__dovecot__send_proxy="v1") == [
        'rule[0].tlv: has no effect: send-proxy = "v1" of backend.dovecot sends no TLVs'
    ]


def changes(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    was, now = read(frontend__imaps__rule=before), read(frontend__imaps__rule=after)
    return [str(one) for one in differences(was, now)]


def test_changes_of_rules_are_named() -> None:
    office = {"name": "office", "if": OFFICE, "accept": True}
    floods = {"name": "floods", "refuse": "close"}
    assert changes([], [office]) == ["~ frontend imaps: rule office added"]
    assert changes([office, floods], [floods]) == ["~ frontend imaps: rule office removed"]
    assert changes([office], [office | {"if": {"port": 993}}]) == ["~ frontend imaps: rule office changed"]
    assert changes([office, floods], [floods, office]) == ["~ frontend imaps: rules in another order"]
    assert changes([{"label": "x"}], [{"label": "y"}]) == ["~ frontend imaps: rule 1 changed"]
    assert changes([office], [office]) == []


@pytest.mark.parametrize(("name", "shown"), [("office", "rule office"), ("rule 1", "rule 1")])
def test_rule_is_called_by_its_name_or_its_place(name: str, shown: str) -> None:
    assert shown_rule(name) == shown
