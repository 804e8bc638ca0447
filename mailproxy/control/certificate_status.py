"""Reads certificates, and the files that are refused, into plain values."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any

from mailproxy.control.running import Running
from mailproxy.control.status import CertificateStatus
from mailproxy.tls.complaint import Refusal


def certificate_statuses(running: Running) -> Iterator[CertificateStatus]:
    """Yield the certificates of all TLS profiles that frontends use."""
    now = datetime.now(UTC)
    store, profiles = running.process_state.certificates, running.generation.settings.tls
    for profile, found in store.in_use.items():
        refused: dict[str, list[Refusal]] = {}
        for refusal in store.refusals(profile, profiles[profile].certificates if profile in profiles else ()):
            refused.setdefault(refusal.path, []).append(refusal)
        for certificate in found:
            yield CertificateStatus(
                profile=profile,
                path=certificate.path,
                names=certificate.names,
                key=certificate.key_alg or certificate.sig_alg,
                not_after=f"{certificate.not_after:%Y-%m-%dT%H:%M:%SZ}",
                days_left=(certificate.not_after - now).days,
                is_previous=any(not one.is_staple for one in refused.get(certificate.path, ())),
                **_refused(refused.pop(certificate.path, ()), now),
            )
        for path, refusals in refused.items():
            yield CertificateStatus(
                profile=profile,
                path=path,
                names=(),
                key=None,
                not_after=None,
                days_left=None,
                is_previous=False,
                **_refused(refusals, now),
            )


def _refused(refusals: Collection[Refusal], now: datetime) -> dict[str, Any]:
    words = "; ".join(dict.fromkeys(map(str, refusals)))
    since = min((refusal.since for refusal in refusals), default=None)
    seconds = None if since is None else round(max(now.timestamp() - since, 0.0), 3)
    return {"refused": words, "refused_s": seconds}
