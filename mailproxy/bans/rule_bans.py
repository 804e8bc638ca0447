"""The bans that rules ask for, and their lines in the log: a flood from many addresses may make any number."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from math import isfinite
from typing import Any

from twisted.logger import Logger

from mailproxy.bans.ban import Ban, key_of, place_of
from mailproxy.bans.bans import LONGEST_SECONDS, Bans, TooManyBans, clean_reason, most_by_rules
from mailproxy.bans.request import BanRequest
from mailproxy.config.duration import written

_LINES = 20
"""The bans that have lines of their own in an interval."""

_LINES_SECONDS = 10.0


class RuleBans:
    """Carries out what rules ask for (mutable)."""

    _log = Logger(namespace="mailproxy")

    def __init__(self, bans: Bans, monotonic: Callable[[], float]) -> None:
        """`monotonic` is the clock of the bans."""
        self._bans = bans
        self._monotonic = monotonic
        self._lines = 0
        self._lines_end = 0.0
        self._unlogged = 0
        self._was_full = False

    def take(self, request: BanRequest) -> None:
        """Carry out a request, of this process or of one that faces the network."""
        if len(request.address) not in (4, 16) or not isfinite(request.seconds):
            return
        most = 8 * len(request.address)
        bits = most if request.bits is None else request.bits
        if not 0 < bits <= most:
            return
        key = key_of(ip_network((request.address, bits), strict=False))
        seconds = min(request.seconds, LONGEST_SECONDS)
        before = self._bans.table.get(key)
        try:
            now = self._monotonic()
            ban = Ban(key, "rule", clean_reason(request.reason), now, now + seconds)
            self._bans.ban(ban)
        except TooManyBans as error:
            self._log_some("{place} is not banned: {reason}", place=place_of(key), reason=str(error))
            return
        self._look_at_room()
        if before is None or before.end <= ban.made:
            self._log_some(
                "{place} is banned for {log_length} by {origin}: {reason}",
                place=ban.place,
                log_length=written(seconds),
                seconds=seconds,
                origin=ban.origin,
                reason=ban.reason,
            )

    def _look_at_room(self) -> None:
        """Log once that rules have made the most bans, until some have ended."""
        if not self._bans.is_full_of_rules:
            self._was_full &= self._bans.counts["rule"] > most_by_rules() * 9 // 10
        elif not self._was_full:
            self._was_full = True
            self._log.warn(
                "bans: rules have made {most} bans, the most; each further ban by a rule ends the oldest one",
                event="bans-full",
                most=most_by_rules(),
            )

    def _log_some(self, format: str, **fields: Any) -> None:
        now = self._monotonic()
        if now >= self._lines_end:
            self._lines, self._lines_end = 0, now + _LINES_SECONDS
        self._lines += 1
        if self._lines <= _LINES:
            self._log.info(format, event="ban", **fields)
        else:
            self._unlogged += 1

    def log_sum(self) -> None:
        """Log the number of bans that had no line, after their interval."""
        if self._unlogged and self._monotonic() >= self._lines_end:
            self._log.info("bans: {count} more, without lines of their own", event="ban-sum", count=self._unlogged)
            self._unlogged = 0
