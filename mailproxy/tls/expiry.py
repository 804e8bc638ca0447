"""Warnings about certificates and OCSP responses that expire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from attrs import frozen

from mailproxy.tls.certificate import Certificate
from mailproxy.tls.steps import Steps, ends_of_steps

DAYS = (30, 14, 7, 1)
"""The days before the expiry of a certificate with a warning; ACME clients renew before the first or soon after."""

SOON_DAYS = 7
"""The one of `DAYS` from which on `check` warns: renewal has failed, or nobody has set it up."""

_EXPIRED = 0


def invalidity(certificate: Certificate, now: datetime) -> str:
    """Return why a certificate is not valid at `now`, as text after ``FILE: ``; "" if it is."""
    if certificate.not_after < now:
        return f"expired on {certificate.not_after:%Y-%m-%d %H:%M} UTC"
    if certificate.not_before > now:
        return f"is not valid before {certificate.not_before:%Y-%m-%d %H:%M} UTC"
    return ""


@frozen
class Notice:
    """One certificate that expires soon, or has expired."""

    certificate: Certificate
    days: int
    """The days that are left."""

    def __str__(self) -> str:
        """Return the warning as one line."""
        end = f"{self.certificate.not_after:%Y-%m-%d %H:%M} UTC"
        if self.days < 0:
            return f"{self.certificate.path}: expired on {end}; clients will refuse it"
        left = "less than a day" if self.days == 0 else "1 day" if self.days == 1 else f"{self.days} days"
        return f"{self.certificate.path}: expires in {left}, on {end}"


class ExpiryNotices:
    """Warns about each certificate once at each of `DAYS`, and once when it has expired (mutable)."""

    def __init__(self) -> None:
        self._warned: dict[bytes, int] = {}
        """The last of `DAYS` with a warning, for each certificate."""

    def due(self, certificates: Iterable[Certificate], now: datetime) -> Steps[list[Notice]]:
        """Return the warnings that are due at `now`, in steps; forget certificates that are not in use now."""
        warned: dict[bytes, int] = {}
        notices = []
        horizon = now + timedelta(days=max(DAYS))
        for certificate, is_end in ends_of_steps(certificates):
            if is_end:
                yield
            before = self._warned.get(certificate.digest)
            if before is None and certificate.not_after > horizon:
                continue
            if certificate.digest in warned:
                continue
            stage = _stage(certificate, now)
            if stage is not None and (before is None or stage < before):
                notices.append(Notice(certificate, (certificate.not_after - now).days))
                before = stage
            if before is not None:
                warned[certificate.digest] = before
        self._warned = warned
        return notices


def expiring(certificates: Iterable[Certificate], now: datetime) -> Iterator[Notice]:
    """Yield a notice for each certificate that is valid at `now` and expires within `SOON_DAYS`, once for each file."""
    for certificate in {one.path: one for one in certificates}.values():
        stage = _stage(certificate, now)
        if stage is not None and _EXPIRED < stage <= SOON_DAYS:
            yield Notice(certificate, (certificate.not_after - now).days)


class StaleStaples:
    """Warns once about each OCSP response that is out of date, and is not sent for that reason (mutable)."""

    def __init__(self) -> None:
        self._reported: set[bytes] = set()

    def due(self, certificates: Iterable[Certificate], now: datetime) -> list[str]:
        """Return the warnings that are due at `now`, one line each."""
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
            if digest not in self._reported and certificate.staple is not None
        ]
        self._reported = set(stale)
        return lines


def _stage(certificate: Certificate, now: datetime) -> int | None:
    """Return the last of `DAYS` that is reached, without those longer than the certificate's lifetime."""
    left = certificate.not_after - now
    if left < timedelta(0):
        return _EXPIRED
    life = certificate.not_after - certificate.not_before
    return min((days for days in DAYS if left <= timedelta(days=days) < life), default=None)
