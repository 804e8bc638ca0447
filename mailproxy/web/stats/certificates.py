"""The certificates, those that expire first at the top."""

from __future__ import annotations

from mailproxy.control.attention import Fields, expiry_of, urgency
from mailproxy.control.status import CertificateStatus
from mailproxy.web.stats.markup import Child, Markup, tag
from mailproxy.web.stats.snapshot import Snapshot
from mailproxy.web.stats.words import NOTHING, cell, heads, section, text

MAX_ROWS = 50
"""The most rows; `mailproxy ctl show certificates` has all."""

MAX_NAMES = 5
"""The most names of one certificate."""


def certificates(snapshot: Snapshot) -> Markup:
    """Write the section."""
    if not snapshot.certificates:
        return section("certificates", "Certificates", tag("p", "no TLS profile has a certificate"))
    in_order = sorted(snapshot.certificates, key=lambda one: urgency(Fields(one)))
    rows = [_row(one) for one in in_order[:MAX_ROWS]]
    more = len(in_order) - len(rows)
    return section(
        "certificates",
        "Certificates",
        tag(
            "table", heads("Names", "#Days left", "Until", "Key", "Profile", "File"), tag("tbody", rows), class_="wide"
        ),
        tag("p", f"and {more} more: mailproxy ctl show certificates", class_="note") if more else None,
    )


def _row(one: CertificateStatus) -> Markup:
    names = [tag("span", name, class_="place") for name in one.names[:MAX_NAMES]]
    if len(one.names) > MAX_NAMES:
        names.append(tag("small", f"and {len(one.names) - MAX_NAMES} more"))
    return tag(
        "tr",
        tag("th", names or NOTHING, scope="row"),
        cell("Days left", _days(one), class_="num"),
        cell("Until", text((one.not_after or "")[:10])),
        cell("Key", text(one.key)),
        cell("Profile", one.profile),
        cell("File", tag("span", one.path, class_="path"), _refused(one), class_="words"),
        data_key=f"{one.profile} {one.path}",
    )


def _days(one: CertificateStatus) -> Child:
    if one.days_left is None:
        return NOTHING
    words = "expired" if one.days_left < 0 else str(one.days_left)
    return tag("span", words, class_=f"state {expiry_of(Fields(one))}")


def _refused(one: CertificateStatus) -> Child:
    return tag("div", tag("span", "refused", class_="state bad"), f" {one.refused}") if one.refused else None
