"""
CrowdSec as a source of bans: a bouncer that polls the decisions of a local API.

Theory of operation. The first request asks for all decisions (``startup=true``), later ones for what has changed since
the last request with this key. After a request without an answer the next one asks for all again, because changes may
have been lost. All decisions replace the previous ones; what is banned meanwhile stays banned. A failure changes
nothing: the decisions stay until they end, and the next request comes after a growing pause.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailproxy.bans.ban import Ban, Key
from mailproxy.bans.bans import BANS_AT_ONCE, Bans, TooManyBans
from mailproxy.bans.decisions import Decisions, UnusableAnswer, read_decisions
from mailproxy.bans.local_api import LocalApi, UnansweredError
from mailproxy.bans.saving import InThread
from mailproxy.config.bans import CrowdSecSettings
from mailproxy.config.secret import UnusableSecret, read_authorization

LONGEST_PAUSE_SECONDS = 300.0
"""The longest pause after failures."""


class Api(Protocol):
    """Answers requests for decisions."""

    async def decisions(self, key: str, *, all: bool) -> bytes:
        """Return the answer with all decisions, or with the changes since the last request; `UnansweredError`."""


class CrowdSec:
    """Polls one local API, from `start` to `stop` (mutable)."""

    _log = Logger(namespace="mailproxy")

    def __init__(
        self,
        settings: CrowdSecSettings,
        bans: Bans,
        reactor: Any,
        in_thread: InThread,
        monotonic: Callable[[], float],
        api: Api | None = None,
    ) -> None:
        """`api` answers, by default the one at the configured address."""
        self._settings = settings
        self._bans = bans
        self._reactor = reactor
        self._in_thread = in_thread
        self._monotonic = monotonic
        self._api = api or LocalApi(settings, reactor)
        self._wants_all = True
        self.failures = 0
        """The requests in a row that had no usable answer."""
        self._began = 0.0
        self._call: IDelayedCall | None = None
        self._turn: Deferred[None] | None = None
        self._is_stopped = False

    def start(self) -> None:
        """Begin with a request for all decisions."""
        self._call = None
        self._began = self._reactor.seconds()
        self._turn = Deferred.fromCoroutine(self._take_turn())
        self._turn.addCallbacks(self._go_on, self._broke)

    def stop(self) -> None:
        """Stop, for ever; the decisions stay until they end."""
        self._is_stopped = True
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._turn is not None:
            turn, self._turn = self._turn, None
            turn.cancel()

    def _broke(self, failure: Failure) -> None:
        if failure.check(CancelledError) is None:
            self.failures += 1
            self._log.failure("bug in the decisions of CrowdSec", failure)
            self._go_on()
        failure.cleanFailure()

    def _go_on(self, nothing: None = None) -> None:
        """Plan the next request: at the interval, or after a growing pause."""
        self._turn = None
        if self._is_stopped:
            return
        interval = self._settings.interval
        if self.failures:
            pause = max(interval, min(interval * 2.0 ** min(self.failures, 20), LONGEST_PAUSE_SECONDS))
        else:
            pause = max(interval - (self._reactor.seconds() - self._began), 0.0)
        self._call = self._reactor.callLater(pause, self.start)

    async def _take_turn(self) -> None:
        has_all, self._wants_all = self._wants_all, True
        try:
            key = await self._in_thread(partial(read_authorization, self._settings.key_file))
            body = await self._api.decisions(key, all=has_all)
            decisions = await self._in_thread(partial(read_decisions, body))
        except UnusableSecret as error:
            self._failed(f"{self._settings.key_file}: {error}")
        except UnansweredError as error:
            self._failed(error.reason)
        except UnusableAnswer as error:
            self._failed(f"the answer is wrong: {error}")
        else:
            await self._apply(decisions, has_all=has_all)
            self._wants_all = False
            self._succeeded(decisions)

    async def _apply(self, decisions: Decisions, *, has_all: bool) -> None:
        """Take over the decisions, some in each turn of the reactor."""
        if decisions.skipped:
            self._log.warn(
                "crowdsec: {url}: {problem}; {count} skipped in all",
                event="crowdsec-skipped",
                url=self._settings.url,
                problem=decisions.problem,
                count=decisions.skipped,
            )
        bans = self._bans
        gone = decisions.deleted
        if has_all:
            gone = await self._in_thread(partial(_missing, bans.of("crowdsec"), decisions))
        for place in range(0, len(gone), BANS_AT_ONCE):
            bans.unban(*gone[place : place + BANS_AT_ONCE], origins=("crowdsec",))
            await deferLater(self._reactor, 0)
        now = self._monotonic()
        try:
            for place in range(0, len(decisions.new), BANS_AT_ONCE):
                some = decisions.new[place : place + BANS_AT_ONCE]
                bans.ban(*(Ban(one.key, "crowdsec", one.reason, now, now + one.seconds) for one in some))
                await deferLater(self._reactor, 0)
        except TooManyBans as error:
            self._log.error(
                "crowdsec: {url}: {count} decisions, and not all are in effect: {reason}",
                event="crowdsec-failed",
                url=self._settings.url,
                count=len(decisions.new),
                reason=str(error),
            )

    def _failed(self, reason: str) -> None:
        if self._is_stopped:
            return  # Twisted's client makes other errors of a request that is cancelled.
        self.failures += 1
        if self.failures == 1:
            self._log.warn(
                "crowdsec: {url}: {reason}; the decisions so far stay until they end",
                event="crowdsec-failed",
                url=self._settings.url,
                reason=reason,
            )

    def _succeeded(self, decisions: Decisions) -> None:
        if self.failures:
            self.failures = 0
            self._log.info("crowdsec: {url} answers again", event="crowdsec-answers", url=self._settings.url)
        if decisions.new or decisions.deleted:
            self._log.info(
                "crowdsec: {new} new, {deleted} deleted, {total} in all",
                event="crowdsec",
                new=len(decisions.new),
                deleted=len(decisions.deleted),
                total=self._bans.counts["crowdsec"],
            )


def _missing(keys: Sequence[Key], decisions: Decisions) -> tuple[Key, ...]:
    """Return the networks that have no new decision."""
    there = {decision.key for decision in decisions.new}
    return tuple(key for key in keys if key not in there)
