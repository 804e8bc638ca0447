"""Whatever a file has: a configuration, or a `ConfigError` in which each problem is one line."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mailproxy.config import ConfigError, parse
from mailproxy.config.document import read_document
from tests.examples import examples

_KEYS = """
    workers maxconn hard-stop-after log format level admin tls default certificates min-version max-version
    client-certificates client-ca ciphers ciphersuites frontend imaps bind protocol tls-profile alpn backend
    accept-proxy accept-proxy-only accept-proxy-optional log-tlvs timeout handshake client login dovecot profile
    balance send-proxy proxy-v2-options proxy-v2-tlvs proxy-v2-pass-tlvs 0xE1 ports imap retries connect server d1
    address weight check default-server template count name backup maxconn slowstart state observe init-state
    error-limit type inter port user password-file url headers status json method body send check-header
    check-tls ca verify sni verify-name resolvers nameservers hold-valid hold-nx max-ttl queue
""".split()  # noqa: SIM905  # a list would be a page long
_VALUES = """
    1.3 imap default dovecot none implicit starttls 0.0.0.0:993 [::]:993 *:1 /run/x 10.0.0.1 10.0.0.0/8 ::/0 30s 0s 5
    v1 v2-ssl azure 0xE1 hex:00 hex:0 first text info optional crc32c tcp mail login http agent client required connect
    imap.example.org srv:_imap._tcp.example.org http://{host}/ drain down local
""".split()  # noqa: SIM905  # likewise


def _leaf() -> st.SearchStrategy[Any]:
    numbers = st.integers(-1, 300) | st.integers() | st.floats()
    return st.sampled_from(_VALUES) | st.text(max_size=20) | numbers | st.booleans() | st.datetimes() | st.times()


def _tables(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(_KEYS) | st.text(max_size=10), values, max_size=8)


_anything = st.recursive(_leaf(), lambda inner: st.lists(inner, max_size=4) | _tables(inner), max_leaves=20)


def _of(*keys: str) -> st.SearchStrategy[dict[str, Any]]:
    """A table that is more likely to have the right keys."""
    return st.dictionaries(st.sampled_from(keys), _anything, max_size=len(keys)) | _tables(_anything)


_check = _of("type", "inter", "port", "address", "user", "url", "headers", "status", "json", "check-header")
_server = st.fixed_dictionaries(
    {},
    optional={
        "address": _leaf(),
        "template": _of("count", "name"),
        "check": _check,
        "tls": _of("verify", "sni", "verify-name", "ca") | st.booleans(),
        "observe": _leaf(),
        "weight": _leaf(),
        "state": _leaf(),
    },
)
_nearly_right = st.fixed_dictionaries(
    {},
    optional={
        "tls": st.fixed_dictionaries({"default": _of("certificates", "min-version", "max-version", "ciphers")}),
        "frontend": st.dictionaries(
            st.sampled_from(["imaps", "pop3s"]),
            _of("bind", "protocol", "backend", "tls", "alpn", "accept-proxy", "accept-proxy-optional", "log-tlvs"),
            max_size=2,
        ),
        "backend": st.fixed_dictionaries(
            {
                "dovecot": st.fixed_dictionaries(
                    {"server": st.fixed_dictionaries({"d1": _server})},
                    optional={"check": _check, "default-server": _server, "ports": _anything, "send-proxy": _leaf()},
                )
                | _of("server", "ports", "send-proxy", "proxy-v2-tlvs", "proxy-v2-pass-tlvs", "check", "default-server")
            }
        ),
        "log": _anything,
        "resolvers": _of("nameservers", "timeout", "retries", "hold-valid", "hold-nx", "max-ttl"),
    },
)


def problems_of(read: Callable[[], object]) -> list[str]:
    """The problems that reading ends with, at least one, or none when it succeeds."""
    try:
        read()
    except ConfigError as error:
        return [str(problem) for problem in error.problems] or ["no problem at all\n"]
    return []


@examples(150)
@given(_tables(_anything) | _nearly_right)
def test_any_values_raise_only_printable_problems(values: dict[str, Any]) -> None:
    assert all(problem.isprintable() for problem in problems_of(lambda: read_document(values, "/etc")))


@given(st.text() | st.lists(st.sampled_from([*"[]{}=.,\"'#\n 1", *_KEYS, *_VALUES])).map("".join))
def test_any_text_raises_only_printable_problems(text: str) -> None:
    assert all(problem.isprintable() for problem in problems_of(lambda: parse(text, "/etc")))
