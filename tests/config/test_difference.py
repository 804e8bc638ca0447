"""What one configuration has that another has not, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from mailproxy.config import Config
from mailproxy.config.difference import Difference, _of_top, differences, with_details
from mailproxy.config.document import parse, read_document
from mailproxy.config.key import about
from mailproxy.config.kind import integer
from tests.config.builders import FOLDER, minimal

ROOT = Path(__file__).parents[2]


def read(values: dict[str, Any]) -> Config:
    return read_document(values, FOLDER)


def difference_lines(before: dict[str, Any] | None = None, **changes: object) -> list[str]:
    """The lines for a change of the smallest configuration, with a few other values to begin with."""
    return [str(one) for one in differences(read(minimal(**(before or {}))), read(minimal(**(before or {}) | changes)))]


def test_same_configuration_has_no_line() -> None:
    assert difference_lines() == []
    example = (ROOT / "etc" / "mailproxy.toml").read_text()
    assert differences(parse(example, "/etc"), parse(example, "/etc")) == ()


POP3S = {"bind": ["0.0.0.0:995"], "protocol": "pop3", "backend": "dovecot"}
OTHER = {"server": {"d1": {"address": "10.41.1.131:10143"}}}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("frontend__pop3s", POP3S, "frontend pop3s"),
        ("backend__other", OTHER, "backend other"),
        ("tls__other", {"certificates": ["/etc/ssl/mail.pem"]}, "tls other"),
    ],
)
def test_section_is_added_and_removed(key: str, value: object, words: str) -> None:
    without, with_it = read(minimal()), read(minimal(**{key: value}))
    assert list(map(str, differences(without, with_it))) == [f"+ {words}"]
    assert list(map(str, differences(with_it, without))) == [f"- {words}"]


def test_changes_of_a_section_are_one_line() -> None:
    server = {"d1": {"address": "10.41.1.131:10143", "weight": 50}, "d3": {"address": "10.41.1.133:10143"}}
    assert difference_lines(backend__dovecot__server=server) == [
        "~ backend dovecot: server d3 added, weight of d1 100 -> 50"
    ]


def test_renamed_server_is_another_one() -> None:
    server = {"d2": {"address": "10.41.1.131:10143"}}
    assert difference_lines(backend__dovecot__server=server) == [
        "~ backend dovecot: server d2 added, server d1 removed"
    ]


def test_order_of_servers_matters() -> None:
    first, second = {"address": "10.41.1.131:10143"}, {"address": "10.41.1.132:10143"}
    assert difference_lines(
        {"backend__dovecot__server": {"d1": first, "d2": second}}, backend__dovecot__server={"d2": second, "d1": first}
    ) == ["~ backend dovecot: servers in another order"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"maxconn": 200}, "~ maxconn: 0 -> 200"),
        ({"hard_stop_after": "2m"}, "~ hard-stop-after: 10s -> 2m"),
        ({"log__level": "warn"}, "~ log: level info -> warn"),
        ({"resolvers__retries": 7}, "~ resolvers: retries 3 -> 7"),
        ({"tls__default__min_version": "1.3"}, "~ tls default: min-version 1.2 -> 1.3"),
        ({"frontend__imaps__timeout__client": "1500ms"}, "~ frontend imaps: timeout.client 35m -> 1500ms"),
        (
            {"frontend__imaps__bind": ["0.0.0.0:993", "[::]:993"]},
            "~ frontend imaps: bind +[::]:993",
        ),
        ({"frontend__imaps__bind": ["10.0.0.1:993"]}, "~ frontend imaps: bind -0.0.0.0:993 +10.0.0.1:993"),
        ({"backend__dovecot__ports": {"imap": 143}}, "~ backend dovecot: ports.imap none -> 143"),
        ({"backend__dovecot__allbackups": True}, "~ backend dovecot: allbackups false -> true"),
        ({"backend__dovecot__proxy_v2_options": ["crc32c"]}, "~ backend dovecot: proxy-v2-options +crc32c"),
        ({"backend__dovecot__proxy_v2_pass_tlvs": ["alpn"]}, "~ backend dovecot: proxy-v2-pass-tlvs +ALPN"),
        (
            {"backend__dovecot__server__d1__address": "10.41.1.9:143"},
            "~ backend dovecot: address of d1 10.41.1.131:10143 -> 10.41.1.9:143",
        ),
        ({"backend__dovecot__server__d1__tls": True}, "~ backend dovecot: tls of d1 changed"),
    ],
)
def test_change_of_a_key_is_reported_in_the_file_s_words(changes: dict[str, Any], line: str) -> None:
    assert line in difference_lines(**changes)


def test_check_of_every_server_is_reported_for_each() -> None:
    check = {"backend__dovecot__check": {"type": "tcp", "inter": "2s"}}
    assert difference_lines(check, backend__dovecot__check={"type": "tcp", "inter": "5s"}) == [
        "~ backend dovecot: check.inter of d1 2s -> 5s"
    ]


def test_long_value_is_not_shown() -> None:
    assert difference_lines(tls__default__ciphers="ECDHE+AESGCM:" * 10 + "ECDHE") == ["~ tls default: ciphers changed"]


def test_headers_of_checks_may_be_secret() -> None:
    check = {"type": "http", "url": "http://{host}/", "headers": {"X-Key": "one"}}
    lines = difference_lines(
        {"backend__dovecot__check": check}, backend__dovecot__check=check | {"headers": {"X-Key": "hunter2"}}
    )
    assert lines == ["~ backend dovecot: check.headers of d1 changed"]


def test_more_can_be_known_of_a_section() -> None:
    known = Difference("~", "tls a", ("ciphers changed",)), Difference("+", "frontend b")
    assert list(map(str, with_details(known, [("tls a", ("renewed",)), ("tls c", ("renewed", "removed"))]))) == [
        "~ tls a: ciphers changed, renewed",
        "+ frontend b",
        "~ tls c: renewed, removed",
    ]


def test_details_are_added_to_what_changes_now() -> None:
    late, now = Difference("~", "a", ("b 1 -> 2",), needs_restart=True), Difference("~", "a", ("c 3 -> 4",))
    more = [("a", ("renewed",))]
    assert with_details([late, now], []) == (late, now)
    assert with_details([late, now], more) == (late, Difference("~", "a", ("c 3 -> 4", "renewed")))
    assert with_details([late], more) == (late, Difference("~", "a", ("renewed",)))


@attrs.frozen
class Model:
    """A configuration with a key that only a start reads."""

    workers: int = attrs.field(default=0, metadata=about(integer(0, 8), "…", needs_restart=True))
    maxconn: int = attrs.field(default=0, metadata=about(integer(0, 8), "…"))


def test_keys_that_need_a_restart_are_marked() -> None:
    assert list(_of_top(Model(), Model(2, 3))) == [
        Difference("~", "workers", ("0 -> 2",), needs_restart=True),
        Difference("~", "maxconn", ("0 -> 3",)),
    ]


def test_key_of_a_table_that_needs_a_restart_is_distinguished() -> None:
    before = read_document(minimal(limits={"source-connections": 2}), FOLDER)
    after = read_document(minimal(limits={"source-connections": 3, "sources": 5000}), FOLDER)
    assert [(str(one), one.needs_restart) for one in differences(before, after)] == [
        ("~ limits: sources none -> 5000", True),
        ("~ limits: source-connections 2 -> 3", False),
    ]
