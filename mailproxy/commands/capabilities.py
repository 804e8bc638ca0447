"""Asks every server of a configuration for its capabilities: ``mailproxy check --connect``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import cast

from attrs import field, frozen
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.checks.addresses import Addresses
from mailproxy.checks.advice import CLEAR_ADVICE, STARTTLS_ADVICE, no_login_advice
from mailproxy.checks.capability_query import CapabilityAnswer, CapabilityQuery
from mailproxy.config.model import MailProtocol
from mailproxy.front.loop import Loop
from mailproxy.front.prepare import Prepared
from mailproxy.proxyprotocol.tlv import TlvType

# The time for DNS look-ups of servers, and the interval of looking for the answers.
LOOK_UP_SECONDS = 5.0
LOOK_UP_PAUSE_SECONDS = 0.05


@frozen
class _Leg:
    """The way of a frontend's clients to the servers of its backend, or of one that its rules name."""

    backend: Backend
    protocol: MailProtocol
    with_tls: bool
    frontend: config.Frontend = field(eq=False)  # the first frontend whose clients take this way


def ask_servers(prepared: Prepared) -> int:
    """Print every server's capabilities, or why it does not answer; return 1 if one does not."""
    loop = Loop(reactor)
    loop.start()
    names = loop.names(prepared.settings.resolvers)
    addresses = [Addresses(backend, names, loop.poller) for backend in prepared.backends.values()]

    async def ask_all() -> bool:
        await _look_up(addresses)
        answers = []
        for leg in dict.fromkeys(_legs(prepared)):
            for server in leg.backend.pool.servers:
                if server.target is not None or not server.origin.settings.is_template:  # a slot may have no address
                    answers.append(_print_answer(leg, server, await _ask(loop, leg, server)))
        return all(answers)

    def stop(result: object) -> object:
        names.stop()
        reactor.callWhenRunning(reactor.stop)
        return result

    asked = Deferred.fromCoroutine(ask_all()).addBoth(stop)
    reactor.run()
    return 0 if asked.result is True else 1


async def _look_up(addresses: Sequence[Addresses]) -> None:
    for of_backend in addresses:
        of_backend.start()
    for _ in range(round(LOOK_UP_SECONDS / LOOK_UP_PAUSE_SECONDS)):
        if all(of_backend.are_known for of_backend in addresses):
            return
        await deferLater(cast(IReactorTime, reactor), LOOK_UP_PAUSE_SECONDS)


def _legs(prepared: Prepared) -> Iterator[_Leg]:
    for one in prepared.frontends:
        terms = one.terms
        if terms.server_speaks_first:
            for name in one.settings.backends:
                backend = prepared.backends[name, terms.protocol]
                for with_tls in _with_tls(one.settings, backend.settings):
                    yield _Leg(backend, terms.protocol, with_tls, one.settings)


def _with_tls(frontend: config.Frontend, backend: config.Backend) -> tuple[bool, ...]:
    """Return the kinds of clients to ask a frontend's servers for: on TLS (True), without it (False)."""
    if frontend.tls == "none":
        return (bool(frontend.tls_offloaded_by) or TlvType.SSL in backend.pass_tlvs,)
    return (True, False) if frontend.tls == "starttls-optional" else (True,)


async def _ask(loop: Loop, leg: _Leg, server: BackendServer) -> CapabilityAnswer:
    answer: Deferred[CapabilityAnswer] = Deferred()
    CapabilityQuery(
        leg.backend,
        server,
        leg.protocol,
        "mailproxy",
        answer.callback,
        with_tls=leg.with_tls,
        destination=leg.frontend.destination,
        poller=loop.poller,
        timeouts=loop.timeouts,
    ).begin()
    return await answer


def _print_answer(leg: _Leg, server: BackendServer, answer: CapabilityAnswer) -> bool:
    """Print a server's answer; False if it gave none."""
    way = "" if leg.with_tls else " without TLS"
    where = f"backend {leg.backend.name}, server {server.name}, {leg.protocol}{way}"
    if answer.capabilities is None:
        print(f"{where}: {answer.failure}", file=sys.stderr)
        return False
    print(f"{where}: {', '.join(name.decode('ascii', 'replace') for name in answer.capabilities)}")
    for advice in _advice(leg, answer):
        print(f"warning: {where}: {advice}", file=sys.stderr)
    return True


def _advice(leg: _Leg, answer: CapabilityAnswer) -> Iterator[str]:
    if answer.still_offers_starttls:
        yield STARTTLS_ADVICE
    if answer.takes_passwords:
        yield CLEAR_ADVICE
    if answer.no_login and (leg.with_tls or leg.frontend.tls == "none"):
        yield no_login_advice(answer.no_login, leg.backend.settings, with_tls=leg.with_tls)
