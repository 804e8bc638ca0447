"""What has become of the certificates of a profile, from one reading of the files to the next, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mailproxy.tls.certificate import Certificate

TOLD = 5
"""As many certificates are named; a front may have thousands, and a line is read by people."""


def renewals(before: Iterable[Certificate], after: Iterable[Certificate]) -> tuple[str, ...]:
    """Return what is new, renewed and gone; certificates are the same as long as their path is."""
    words = tuple(_each({one.path: one for one in before}, {one.path: one for one in after}))
    return words if len(words) <= TOLD else (*words[:TOLD], f"and {len(words) - TOLD} other certificates")


def _each(before: dict[str, Certificate], after: dict[str, Certificate]) -> Iterator[str]:
    for path, certificate in after.items():
        if path not in before:
            yield f"certificate {path} added, valid until {certificate.not_after:%Y-%m-%d}"
        elif before[path].digest != certificate.digest:
            yield f"certificate {path} renewed, valid until {certificate.not_after:%Y-%m-%d}"
    for path in before:
        if path not in after:
            yield f"certificate {path} removed"
