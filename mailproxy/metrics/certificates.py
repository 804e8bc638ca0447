"""The metrics of certificates."""

from __future__ import annotations

from collections.abc import Iterator

from mailproxy.control.running import Running
from mailproxy.metrics import names
from mailproxy.metrics.definition import Family
from mailproxy.metrics.labels import LabelSets
from mailproxy.metrics.part import Part

_AT_ONCE = 500
"""The certificates that are read at once, which takes a millisecond."""


def collect(running: Running, label_sets: LabelSets) -> Iterator[Part]:
    """Yield when certificates expire, and which files are refused."""
    store, profiles = running.process_state.certificates, running.generation.settings.tls
    expiry, refused = (Family(one, label_sets) for one in (names.CERTIFICATE_EXPIRY, names.CERTIFICATE_REFUSED))
    count = 0
    for profile, found in store.in_use.items():
        seen = set()
        for certificate in found:
            labels = profile, certificate.names[0] if certificate.names else "", certificate.path
            if labels not in seen:
                seen.add(labels)
                expiry.add(int(certificate.not_after.timestamp()), *labels)
            count += 1
            if not count % _AT_ONCE:
                yield None
        entries = profiles[profile].certificates if profile in profiles else ()
        for path in dict.fromkeys(refusal.path for refusal in store.refusals(profile, entries)):
            refused.add(1, profile, path)
    yield from (expiry.metric, refused.metric)
