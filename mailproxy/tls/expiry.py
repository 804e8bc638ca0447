"""When certificates end, and who is told how long before."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from attrs import frozen

from mailproxy.tls.certificate import Certificate
from mailproxy.tls.steps import Steps, ends_of_steps

DAYS = (30, 14, 7, 1)
"""How many days before its end a certificate is told of: ACME clients renew before the first or soon after."""

_EXPIRED = 0


def invalidity(certificate: Certificate, now: datetime) -> str:
    """Say why a certificate is not valid at `now`, to continue ``FILE: …``; "" if it is."""
    if certificate.not_after < now:
        return f"expired on {certificate.not_after:%Y-%m-%d}"
    if certificate.not_before > now:
        return f"is not valid before {certificate.not_before:%Y-%m-%d}"
    return ""


@frozen
class Notice:
    """One certificate that ends soon, or has ended."""

    certificate: Certificate
    days: int
    """How many days are left."""

    def __str__(self) -> str:
        """Write it as one line."""
        end = f"{self.certificate.not_after:%Y-%m-%d %H:%M} UTC"
        if self.days < 0:
            return f"{self.certificate.path}: expired on {end}; clients will refuse it"
        left = "less than a day" if self.days == 0 else "1 day" if self.days == 1 else f"{self.days} days"
        return f"{self.certificate.path}: expires in {left}, on {end}"


class ExpiryNotices:
    """Tells of each certificate at each of `DAYS`, and when it has expired, once."""

    def __init__(self) -> None:
        self._told: dict[bytes, int] = {}
        """At which of `DAYS` each certificate was told of last."""

    def due(self, certificates: Iterable[Certificate], now: datetime) -> Steps[list[Notice]]:
        """Find what is to be told at `now`, step by step; forget the certificates that are not there any more."""
        told: dict[bytes, int] = {}
        notices = []
        horizon = now + timedelta(days=max(DAYS))
        for certificate, is_end in ends_of_steps(certificates):
            if is_end:
                yield
            before = self._told.get(certificate.digest)
            if before is None and certificate.not_after > horizon:
                continue
            if certificate.digest in told:
                continue
            stage = _stage(certificate, now)
            if stage is not None and (before is None or stage < before):
                notices.append(Notice(certificate, (certificate.not_after - now).days))
                before = stage
            if before is not None:
                told[certificate.digest] = before
        self._told = told
        return notices


class StaleStaples:
    """Tells of OCSP responses that are out of date, and therefore not sent any more, once."""

    def __init__(self) -> None:
        self._told: set[bytes] = set()

    def due(self, certificates: Iterable[Certificate], now: datetime) -> list[str]:
        """Return what is to be told at `now`, one line each."""
        stale = {
            certificate.digest: certificate
            for certificate in certificates
            if certificate.staple is not None
            and certificate.staple.next_update is not None
            and certificate.staple.next_update <= now
        }
        lines = [
            f"{certificate.path}: its OCSP response is out of date since "
            f"{certificate.staple.next_update:%Y-%m-%d %H:%M} UTC, and is not sent any more"
            for digest, certificate in stale.items()
            if digest not in self._told and certificate.staple is not None
        ]
        self._told = set(stale)
        return lines


def _stage(certificate: Certificate, now: datetime) -> int | None:
    """Return the last of `DAYS` that has come; those that are longer than the certificate's whole life never come."""
    left = certificate.not_after - now
    if left < timedelta(0):
        return _EXPIRED
    life = certificate.not_after - certificate.not_before
    return min((days for days in DAYS if left <= timedelta(days=days) < life), default=None)
