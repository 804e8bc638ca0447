"""Finds the answer to a question, in the machine's hosts file or at a nameserver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import evolve
from twisted.internet.defer import DeferredSemaphore

from mailproxy import config
from mailproxy.names.exchange import Nameserver, Reply, SilenceError, ask
from mailproxy.names.machine import HOSTS_FILE, RESOLV_CONF, Reread, parse_hosts, parse_resolv_conf
from mailproxy.names.message import MAX_ALIASES
from mailproxy.names.question import Alias, Answer, Found, NoAnswerError, Question

# Each question needs a socket; an SRV answer with a hundred new targets must not open two hundred at once.
MAX_QUESTIONS_AT_ONCE = 32

# The longest time until a change of the hosts file is noticed.
HOSTS_SECONDS = 10.0

_VERSIONS = {"A": 4, "AAAA": 6}


class Resolver:
    """Asks the nameservers, one after the other, beginning with the one that answered last."""

    def __init__(
        self, settings: config.Resolvers, reactor: Any, *, hosts: str = HOSTS_FILE, resolv_conf: str = RESOLV_CONF
    ) -> None:
        self._settings = settings
        self._reactor = reactor
        self._configured = tuple(Nameserver(host, port) for host, port in settings.nameservers)
        self._resolv_conf = Reread(resolv_conf, parse_resolv_conf)
        self._hosts = Reread(hosts, parse_hosts)
        self._room = DeferredSemaphore(MAX_QUESTIONS_AT_ONCE)
        self._good: Nameserver | None = None

    async def ask(self, question: Question) -> Answer:
        """Return the answer, following aliases; raise `NoAnswerError` with each nameserver's failure."""
        known = self._known(question)
        if known is not None:
            return known
        ttl = None
        asked = question
        for _ in range(MAX_ALIASES):
            reply = await self._ask_around(asked)
            if not isinstance(reply, Alias):
                return evolve(reply, ttl=min(ttl, reply.ttl)) if ttl is not None and isinstance(reply, Found) else reply
            ttl = reply.ttl if ttl is None else min(ttl, reply.ttl)
            asked = Question(reply.name, question.type)
        raise NoAnswerError(f"more than {MAX_ALIASES} aliases")

    def _known(self, question: Question) -> Found | None:
        """Return the hosts file's answer: as in the C library, a name in the file is not looked up in DNS."""
        addresses = self._hosts().get(question.name) if question.type in _VERSIONS else None
        if addresses is None:
            return None
        version = _VERSIONS[question.type]
        return Found(tuple(address for address in addresses if address.version == version), HOSTS_SECONDS)

    async def _ask_around(self, question: Question) -> Reply:
        left = self._nameservers()
        reasons: dict[Nameserver, NoAnswerError] = {}
        for _ in range(1 + self._settings.retries):
            for nameserver in tuple(left):
                try:
                    reply = await self._ask(nameserver, question)
                except NoAnswerError as error:
                    reasons[nameserver] = error
                    if not isinstance(error, SilenceError):
                        # Its answer would be the same again.
                        left.remove(nameserver)
                else:
                    self._good = nameserver
                    return reply
        raise NoAnswerError("; ".join(f"{nameserver}: {error}" for nameserver, error in reasons.items()))

    def _nameservers(self) -> list[Nameserver]:
        found: Sequence[Nameserver] = self._configured or self._resolv_conf()
        return sorted(found, key=lambda nameserver: nameserver != self._good)

    async def _ask(self, nameserver: Nameserver, question: Question) -> Reply:
        await self._room.acquire()
        try:
            return await ask(nameserver, question, self._settings.timeout, self._reactor)
        finally:
            self._room.release()
