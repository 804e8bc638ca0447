"""docs/rules.md: every example is good, and decides as the page says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mailproxy.config import Config, remarks
from mailproxy.config.document import read_document
from mailproxy.networks.list_file import parse_list
from mailproxy.networks.network_list import NetworkLists, ReadList
from mailproxy.rules.decision import Decision
from mailproxy.rules.explanation import explain, in_words
from mailproxy.rules.facts import read_facts
from mailproxy.rules.rules import Rules

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()
EXAMPLES = [
    pytest.param(match[1], id=f"line {PAGE[: match.start()].count(chr(10)) + 1}")
    for match in re.finditer(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
]
INSIDE = b"10.0.0.0/8\n"


def server(number: int) -> dict[str, Any]:
    address = f"10.41.1.{number}"
    return {"ports": {"imap": 143, "submission": 587}, "server": {"d1": {"address": address}}}


def config_of(example: str) -> Config:
    """The example in a configuration with what it names."""
    values: dict[str, Any] = {
        "tls": {
            "default": {"certificates": ["/mail.pem"]},
            "devices": {
                "certificates": ["/mail.pem"],
                "client-certificates": "optional",
                "client-ca": "/clients.pem",
            },
        },
        "backend": {name: server(number) for number, name in enumerate(("main", "internal", "tenant", "fallback"), 1)},
        "frontend": {
            "imaps": {"bind": ["0.0.0.0:993"], "protocol": "imap", "backend": "main", "tls-profile": "devices"},
            "devices": {"bind": ["0.0.0.0:1993"], "protocol": "imap", "backend": "main", "tls-profile": "devices"},
            "submission": {"bind": ["0.0.0.0:587"], "protocol": "submission", "tls": "starttls", "backend": "main"},
        },
    }
    if "tlv = {" in example:
        values["frontend"]["imaps"]["accept-proxy"] = ["10.0.0.0/8"]
    for name, keys in tomllib.loads(example)["frontend"].items():
        values["frontend"][name] |= keys
    return read_document(values, "/etc/mailproxy")


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_is_good(example: str) -> None:
    found = [str(remark) for remark in remarks(config_of(example)) if "is not used" not in str(remark)]
    assert found == []


def section(title: str) -> str:
    """The last example below a heading."""
    part = PAGE[PAGE.index(f"# {title}\n") :]
    match = re.search(r"^```toml\n(.*?)^```", part, re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[1]


def decision(title: str, frontend: str, facts: str) -> str:
    settings = config_of(section(title))
    lists = NetworkLists()
    for path in settings.list_files:
        lists.take(ReadList(path, parse_list(INSIDE, path), (1,)))
    (found,) = (one for one in settings.frontends if one.name == frontend)
    client, around = read_facts(facts, settings, found, lists, now=0)
    rules = Rules(found.rules, around)
    decided = rules.decide(client)
    assert isinstance(decided, Decision)
    return in_words(rules, decided)


NONE = "no rule decides: the frontend's backend"
CASES = [
    ("Rules: who may come, and to which backend", "source=10.1.2.3 sni=a.example.org", "rule office: backend internal"),
    ("Rules: who may come, and to which backend", "source=11.1.2.3 source-rate=31", "rule 2: refused, temporary"),
    ("Rules: who may come, and to which backend", "source=11.1.2.3 source-rate=30", NONE),
    ("The order", "client-cn=backup-1 tls-version=1.3 port=143", "rule 1: backend internal"),
    ("The order", "port=993", NONE),
    ("TLVs", "tlv.azure=4242 tlv.0xE5=blue", "rule 1: backend internal"),
    ("TLVs", "tlv.azure=4242", NONE),
    ("Another backend for some networks", "source=192.168.7.1", "rule internal: backend internal"),
    ("Another backend for some networks", "source=192.0.2.1", NONE),
    ("Another backend for some names", "sni=Mail.Tenant.Example", "rule tenant: backend tenant"),
    ("Another backend for some names", "sni=tenant.example", NONE),
    ("Another backend if one has no server", "servers-up.main=0", "rule fallback: backend fallback"),
    ("Another backend if one has no server", "servers-up.main=1", NONE),
    (
        "Another backend, or none, if one has too many connections",
        "sessions.imaps=20001",
        "rule all-full: refused, temporary",
    ),
    (
        "Another backend, or none, if one has too many connections",
        "sessions.imaps=6000 sessions.main=5001",
        "rule main-is-full: backend fallback",
    ),
    ("Another backend, or none, if one has too many connections", "sessions.imaps=1 sessions.main=1", NONE),
    ("Too many connections of one address", "source=192.0.2.1 source-connections=21", "rule too-many: closed"),
    ("Too many connections of one address", "source=192.0.2.1 source-rate=61", "rule too-many: closed"),
    ("Too many connections of one address", "source=192.0.2.1 source-rate=1 source-connections=1", NONE),
    ("At night", "source=10.1.2.3 'time=Mon 05:59'", "rule night: backend fallback"),
    ("At night", "source=10.1.2.3 'time=Sat 12:00'", "rule night: backend fallback"),
    ("At night", "source=10.1.2.3 'time=Mon 06:00'", NONE),
]


@pytest.mark.parametrize(("title", "facts", "expected"), CASES)
def test_examples_decide_as_the_page_says(title: str, facts: str, expected: str) -> None:
    assert decision(title, "imaps", facts) == expected


def test_submission_is_for_clients_from_inside() -> None:
    title = "Submission for clients from inside alone"
    assert decision(title, "submission", "source=10.1.2.3") == NONE
    words = decision(title, "submission", "source=192.0.2.1")
    assert words == "rule outside: refused, permanent: submission is for our own networks"


def test_backup_clients_have_their_backend() -> None:
    words = decision("Certificates", "devices", "client-cn=backup-7")
    assert words == "rule backup: backend fallback; label backup, at most 4MiB/s"


def test_every_example_of_haproxy_is_tried() -> None:
    titles = re.findall(r"^### (.*)$", PAGE, re.MULTILINE)
    tried = {title for title, *_ in CASES} | {"Submission for clients from inside alone", "Certificates"}
    assert set(titles) <= tried


def test_explanation_is_that_of_the_page() -> None:
    settings = config_of(section("Rules: who may come, and to which backend"))
    (frontend,) = (one for one in settings.frontends if one.name == "imaps")
    client, around = read_facts("source=10.1.2.3 sni=mail.example.org", settings, frontend, NetworkLists(), now=0)
    shown = PAGE[PAGE.index("$ mailproxy check --explain") :].split("```")[0]
    assert shown.splitlines()[1:] == list(explain(Rules(frontend.rules, around), client))
