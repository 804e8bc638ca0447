"""The grammar of commands from a command line or a request, and its errors."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.control.argument import ARGUMENTS, Weight
from mailproxy.control.command import BY_NAME, COMMANDS, help_lines
from mailproxy.control.grammar import BadCommand, parse, request_of
from tests.bans.builders import key

PAGE = (Path(__file__).parents[2] / "docs" / "ctl.md").read_text()


def values(line: str) -> tuple[str, dict[str, Any]]:
    request = parse(line.split())
    return request.command.name, request.read()


def problem(line: str) -> str:
    with pytest.raises(BadCommand) as caught:
        parse(line.split())
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "name", "given"),
    [
        ("show info", "show info", {}),
        ("show sessions", "show sessions", {}),
        (
            "show sessions client 192.0.2.0/24 older-than 2h",
            "show sessions",
            {"client": ip_network("192.0.2.0/24"), "older-than": 7200.0},
        ),
        (
            "show sessions client unix server dovecot/d1",
            "show sessions",
            {"client": "unix", "server": ("dovecot", "d1")},
        ),
        ("set server dovecot/d1 state drain", "set server state", {"server": ("dovecot", "d1"), "state": "drain"}),
        (
            "set server dovecot/d1 weight 0",
            "set server weight",
            {"server": ("dovecot", "d1"), "weight": Weight(0, False)},
        ),
        ("set server a/b weight 50%", "set server weight", {"server": ("a", "b"), "weight": Weight(50, True)}),
        ("check now dovecot/d1", "check now", {"server": ("dovecot", "d1")}),
        ("shutdown session 64-1", "shutdown session", {"session": "64-1"}),
        ("drain", "drain", {}),
        ("drain timeout 1h spread 10m", "drain", {"timeout": 3600.0, "spread": 600.0}),
        (
            "drain frontend imaps kick spread 30s",
            "drain frontend",
            {"frontend": "imaps", "kick": "yes", "spread": 30.0},
        ),
        ("drain server a/b", "drain server", {"server": ("a", "b")}),
        ("ban 192.0.2.7", "ban", {"network": key("192.0.2.7")}),
        ("ban 10.0.0.0/8", "ban", {"network": key("10.0.0.0/8")}),
        ("ban 2001::/16", "ban", {"network": key("2001::/16")}),
        ("unban 0.0.0.0/0", "unban", {"banned": key("0.0.0.0/0")}),
        ("ban 192.0.2.0/24 10m", "ban", {"network": key("192.0.2.0/24"), "time": 600.0}),
        (
            "ban ::1 kick forever brute-force",
            "ban",
            {"network": key("::1"), "kick": "yes", "time": None, "reason": "brute-force"},
        ),
        (
            "ban 192.0.2.7 1h spam origin fail2ban kick",
            "ban",
            {"network": key("192.0.2.7"), "time": 3600.0, "reason": "spam", "origin": "fail2ban", "kick": "yes"},
        ),
        ("ban 192.0.2.7 origin fail2ban", "ban", {"network": key("192.0.2.7"), "origin": "fail2ban"}),
        ("unban 192.0.2.7 origin fail2ban", "unban", {"banned": key("192.0.2.7"), "origin": "fail2ban"}),
        ("unban ::ffff:192.0.2.7", "unban", {"banned": key("192.0.2.7")}),
        ("watch", "watch", {}),
        ("watch servers", "watch", {"events": "servers"}),
    ],
)
def test_command_has_its_arguments(line: str, name: str, given: dict[str, Any]) -> None:
    assert values(line) == (name, given)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("shwo info", '"shwo" is unknown; did you mean "show"?'),
        ("show sesions", '"sesions" is unknown after "show"; did you mean "sessions"?'),
        ("set servr a/b state drain", '"servr" is unknown after "set"; did you mean "server"?'),
        ("set server a/b stat drain", '"stat" is unknown after "set server a/b"; did you mean "state"?'),
        (
            "set server a/b state drian",
            'STATE is "drian", needs one of "ready", "drain", "maint"; did you mean "drain"?',
        ),
        ("set server d1 state drain", 'SERVER is "d1", needs a backend and a server such as "dovecot/d1"'),
        ("set server a/b", '"set server a/b" is not a complete command; the next word is "state", "weight"'),
        (
            "set server",
            '"set server" is not a complete command; the next word is SERVER, a backend and a server such as',
        ),
        ("", 'the command is missing; the next word is "ban", "check", "drain", "enable"'),
        ("show info now", '"now" is one word too many: the command is "show info"'),
        ("show sessions clint 1", '"clint" is unknown after "show sessions"; did you mean "client"?'),
        ("show sessions client", '"client" needs a value: an address or a network'),
        ("show sessions sni a sni b", '"sni" is given twice'),
        ("show sessions older-than 2", 'OLDER-THAN is "2" without a unit; is it "2s" or "2ms"?'),
        ("show sessions client 192.0.2", 'CLIENT is "192.0.2", needs an address or a network'),
        ("set server a/b weight 257", 'WEIGHT is "257", needs a whole number from 0 to 256, or a percentage'),
        ("set server a/b weight -1", 'WEIGHT is "-1", needs'),
        ("set server a/b weight ²", 'WEIGHT is "²", needs'),
        ("ban unix", 'NETWORK is "unix", needs an address or a network such as'),
        ("ban 192.0.2", 'NETWORK is "192.0.2", needs an address or a network such as "192.0.2.7" or "192.0.2.0/24"'),
        ("ban 0.0.0.0/0", 'NETWORK is "0.0.0.0/0", which holds more than a /8, the widest network that can be banned'),
        ("ban 126.0.0.0/7", 'NETWORK is "126.0.0.0/7", which holds more than a /8'),
        ("ban ::ffff:0:0/96", 'NETWORK is "::ffff:0:0/96", which holds more than a /8'),
        ("ban ::/0", 'NETWORK is "::/0", which holds more than a /16, the widest network that can be banned'),
        ("ban 2000::/15", 'NETWORK is "2000::/15", which holds more than a /16'),
        ("ban fe80::1%eth0", 'NETWORK is "fe80::1%eth0", needs an address or a network such as'),
        ("ban 192.0.2.7 spam", 'TIME is "spam", needs a whole number with a unit such as'),
        (
            "ban 10.1.0.0/8",
            'NETWORK is "10.1.0.0/8", which has bits beyond the prefix; is it "10.0.0.0/8" or "10.1.0.0/16"?',
        ),
        ("unban 192.0.2.7/24", 'BANNED is "192.0.2.7/24", which has bits beyond the prefix; is it "192.0.2.0/24"'),
        (
            "show sessions client ::1/64",
            'CLIENT is "::1/64", which has bits beyond the prefix; is it "::/64" or "',
        ),
        ("ban 127.0.0.0/8 1 test", 'TIME is "1" without a unit; is it "1s" or "1ms", or "forever"?'),
        ("ban 192.0.2.7 0s", 'TIME is "0s", needs at least "1ms" and at most "87600h"'),
        ("ban 192.0.2.7 4000d", 'TIME is "4000d", needs at least'),
        (
            "ban 192.0.2.7 1h because of",
            '"of" is one word too many: the command is "ban NETWORK [TIME] [REASON] [kick] [origin ORIGIN]"',
        ),
        (
            "show bans origin Fail2ban",
            'ORIGIN is "Fail2ban", needs "ctl", "rule", "crowdsec", or the name of a program',
        ),
        ("ban 192.0.2.7 1h spam origin", '"origin" needs a value: "ctl", "rule", "crowdsec", or the name of a program'),
        ("ban 192.0.2.7 1h spam origin a origin b", '"origin" is given twice'),
        (
            "watch session",
            'EVENTS is "session", needs one of "all", "sessions", "servers", "service"; did you mean "sessions"?',
        ),
        ("watch servers twice", '"twice" is one word too many: the command is "watch [EVENTS]"'),
        ("drain frontend imaps kik", '"kik" is unknown after "drain frontend"; did you mean "kick"?'),
    ],
)
def test_wrong_word_of_a_command_is_reported_with_the_right_one(line: str, sentence: str) -> None:
    assert problem(line).startswith(sentence)


def test_weight_is_absolute_or_of_the_configured_one() -> None:
    assert Weight(50, False).of(100) == 50
    assert Weight(50, True).of(10) == 5
    assert Weight(1000, True).of(100) == 256


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ({}, 'a request has a "command"'),
        ({"command": ["show", "info"]}, 'a request has a "command"'),
        ({"command": "show inf"}, '"show inf" is not a command; did you mean "show info"?'),
        ({"command": "zzz"}, '"zzz" is not a command; there are "show info", '),
        ({"command": "show info", "frontend": "x"}, '"frontend" is not an argument of "show info"; it has none'),
        ({"command": "show sessions", "frontent": "x"}, '"frontent" is not an argument of "show sessions"; did you'),
        ({"command": "show sessions", "older-than": 3}, '"older-than" needs a string: a duration'),
        ({"command": "set server state", "server": "a/b"}, '"set server state" needs "state": one of'),
        ({"command": "set server state", "server": "a/b", "state": "up"}, 'STATE is "up", needs one of'),
    ],
)
def test_wrong_request_is_reported_with_the_right_word(message: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadCommand) as caught:
        request_of(message)
    assert str(caught.value).startswith(sentence)


@given(st.lists(st.sampled_from([word for command in COMMANDS for word in command.words]) | st.text(max_size=8)))
def test_any_words_are_a_request_or_a_bad_command(words: list[str]) -> None:
    try:
        request = parse(words)
    except BadCommand:
        return
    assert request_of({"command": request.command.name, **request.arguments}) == request


def test_names_of_commands_are_distinct() -> None:
    assert len(BY_NAME) == len(COMMANDS)


def test_every_argument_is_known() -> None:
    for command in COMMANDS:
        names = (*command.arguments, *command.filters, *command.flags, *command.optional)
        assert set(names) <= set(ARGUMENTS), command


def test_help_has_every_command() -> None:
    text = "\n".join(help_lines())
    assert [command for command in COMMANDS if command.usage not in text or command.summary not in text] == []


def test_page_has_every_command_and_filter() -> None:
    assert [command.usage for command in COMMANDS if f"| `{command.usage}` | {command.summary} |" not in PAGE] == []
    assert [name for command in COMMANDS for name in command.filters if f"`{name}`" not in PAGE] == []
