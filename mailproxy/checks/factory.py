"""The factory of checks: from the configuration of a check to what runs it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from attrs import evolve

from mailproxy import config
from mailproxy.checks.agent import AgentProbe
from mailproxy.checks.check import Check, CheckProbe, ConnectionCheck, Run
from mailproxy.checks.header import LIKE_TLS, Policy, check_header
from mailproxy.checks.mail import login_probes, mail_probes
from mailproxy.checks.outcome import Outcome
from mailproxy.checks.tcp import tcp_probe
from mailproxy.checks.timeouts import Timeouts
from mailproxy.config.model import MailProtocol, SendProxy
from mailproxy.config.secret import UnusableSecret, read_authorization, read_secret
from mailproxy.mail.advice import ConnectionFacts
from mailproxy.mail.backend.account import Account, Login
from mailproxy.transport.outgoing import Target
from mailproxy.transport.poller import Poller


def make_check(
    settings: config.Check,
    protocol: MailProtocol,
    *,
    send_proxy: SendProxy,
    policy: Policy,
    host: str,
    reactor: Any,
    poller: Poller,
    timeouts: Timeouts,
    remedy: str = "",
    distrusts: str = "",
) -> Check:
    """
    Make the check of a server for one protocol; ValueError for what cannot work, a secret's file included.

    `policy` makes a backend's headers for clients, `host` is our own host name, `remedy` says how to make the server
    take PROXY headers, and `distrusts` asks for the likely cause if it closes the connection after one. A check has no
    server: one is enough for all servers with the same settings.
    """
    if settings.type == "http":
        return _http_check(settings, protocol, reactor)
    # As in HAProxy: agents get no header by default.
    kind = settings.header or ("none" if settings.type == "agent" else "local")
    header = check_header(kind, send_proxy, policy, LIKE_TLS if settings.type == "login" else None)
    opening = settings.send.encode() if settings.type == "agent" else b""
    facts = ConnectionFacts(
        sends_header=bool(header),
        has_tls=bool(settings.tls),
        distrusts=distrusts,
        header_key="send-proxy" if send_proxy == "none" else "check-header",
    )
    make_probe = _probes(settings, protocol, host, remedy if header else "", facts)
    check = ConnectionCheck(make_probe, header, settings.seconds, poller=poller, timeouts=timeouts, opening=opening)
    goes_elsewhere = settings.tls is False or settings.address is not None or settings.port is not None
    return _Elsewhere(check, settings) if goes_elsewhere else check


class _Elsewhere:
    """A check with another address, port or TLS than clients'."""

    def __init__(self, check: Check, settings: config.Check) -> None:
        self._check = check
        self._settings = settings

    def begin(self, target: Target, over: Callable[[Outcome], Any]) -> Run:
        return self._check.begin(check_target(target, self._settings), over)


def _probes(
    settings: config.Check, protocol: MailProtocol, host: str, remedy: str, facts: ConnectionFacts
) -> Callable[[], CheckProbe]:
    match settings.type_for(protocol):
        case "tcp":
            return tcp_probe
        case "agent":
            return AgentProbe
        case "mail":
            return mail_probes(protocol, remedy, facts)
        case "login":
            return login_probes(protocol, _login(settings, host), remedy, facts)
        case kind:
            raise ValueError(f'there is no check of type "{kind}"')


def _login(settings: config.Check, host: str) -> Login:
    if settings.user is None or settings.password_file is None:
        raise ValueError('a check of type "login" needs user and password-file')
    mailbox = settings.mailbox
    if mailbox is not None and not (mailbox and mailbox.isascii() and mailbox.isprintable()):
        raise ValueError(f"mailbox {mailbox!a} is not printable ASCII: write it in IMAP's modified UTF-7")
    account = Account.of(settings.user, _secret(settings.password_file))
    return Login(account, None if mailbox is None else mailbox.encode(), host.encode())


def _http_check(settings: config.Check, protocol: MailProtocol, reactor: Any) -> Check:
    # Not at the top: a service without HTTP checks does not load an HTTP client.
    from mailproxy.checks.http import HttpCheck, Request

    if settings.url is None:
        raise ValueError('a check of type "http" needs a url')
    path = settings.authorization_file
    authorization = None if path is None else _secret(path, read_authorization)
    request = Request(
        url=settings.url,
        protocol=protocol,
        method=settings.method,
        headers=settings.headers,
        authorization=authorization,
        body=settings.body,
        status=settings.status,
        json=settings.json,
    )
    return HttpCheck(request, settings.seconds, reactor)


def check_target(target: Target, settings: config.Check) -> Target:
    """Return the target of a check for a server at `target`, with the check's own address or port if it has one."""
    if settings.tls is False:
        target = evolve(target, tls=None)
    if settings.address is None and settings.port is None:
        return target
    host, port = target.address[:2] if target.family != socket.AF_UNIX else (None, None)
    if settings.address is not None:
        host = str(settings.address)
    if settings.port is not None:
        port = settings.port
    if host is None or port is None:
        raise ValueError(f"a check of a server at {target.address} needs both a port and an address of its own")
    return evolve(target, family=socket.AF_INET6 if ":" in host else socket.AF_INET, address=(host, port))


def _secret(path: str, read: Callable[[str], str] = read_secret) -> str:
    try:
        return read(path)
    except UnusableSecret as error:
        raise ValueError(f"{path}: {error}") from None
