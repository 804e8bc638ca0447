"""Checks as the factory makes them, with values that few tests change."""

from __future__ import annotations

from typing import Any

from mailproxy import config
from mailproxy.announce.header import HeaderPolicy
from mailproxy.checks.check import Check
from mailproxy.checks.factory import make_check
from mailproxy.config.check import CheckType
from mailproxy.config.model import MailProtocol, SendProxy
from tests.checks.bench import Bench

LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"


def policy(send_proxy: SendProxy = "v2-ssl") -> HeaderPolicy:
    return HeaderPolicy(config.Backend(name="b", send_proxy=send_proxy, servers=()), "imap")


def made(
    bench: Bench, settings: config.Check, protocol: MailProtocol = "imap", send_proxy: SendProxy = "v2-ssl"
) -> Check:
    return make_check(
        settings,
        protocol,
        send_proxy=send_proxy,
        policy=policy(send_proxy),
        host="mx.test",
        reactor=bench.clock,
        poller=bench.poller,
        timeouts=bench.timeouts,
        remedy="set haproxy = yes there",
        distrusts="is mailproxy trusted there?",
    )


def checking(kind: CheckType, **settings: Any) -> config.Check:
    return config.Check(**{"type": kind, "timeout": 1.0, "header": "none", **settings})
