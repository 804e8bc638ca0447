"""The limits of each kind of backend on the PROXY header's size and TLVs, and its default checks."""

import re
from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

INTENDED_SIZE = 536
"""The size in bytes for which the spec designs its headers: a 576-byte IP packet minus 40 (section 2)."""

_ANYTHING = re.compile(rb".*", re.DOTALL)


@frozen(kw_only=True)
class CheckDefaults:
    """The default checks of a kind of backend; durations are seconds."""

    type: Literal["mail"] = "mail"
    """The type of check: the greeting shows more than an open port and costs the same line in the log."""

    header: Literal["local", "proxy"] = "local"
    """The PROXY header: the specification has LOCAL for connections without a client (section 2)."""

    login_header: Literal["local", "proxy"] = "proxy"
    """The PROXY header before a login: LOCAL cannot say that the connection is secure."""

    inter: float = 2.0
    """The interval, as in HAProxy."""

    login_inter: float = 10.0
    """The interval of logins, each of which starts a process or two and has its own line in the log."""

    timeout: float | None = None
    """The deadline of a check of type ``mail``; None: the interval."""

    login_timeout: float = 10.0
    """The deadline of a login, which asks databases and opens a mailbox."""


@frozen
class Profile:
    """
    One kind of backend: the limits beyond which it drops the connection or misreads the header.

    TLVs that a backend merely ignores are not limited: the configuration decides. Addresses are the same for all: see
    `mailproxy.announce.header`.
    """

    name: str
    budget: int
    """The largest header in bytes, signature to last TLV."""

    client_cert_budget: int
    """The same with the client's certificate (option ``client-cert``), which is seldom less than 536."""

    own_alpn: Mapping[str, bytes] | None = None
    """The only accepted ALPN value for each protocol, none for other protocols; None: any value is accepted."""

    authority: re.Pattern[bytes] = field(default=_ANYTHING, eq=False)
    """The pattern of an acceptable AUTHORITY."""

    local_tlvs: bool = False
    """True if LOCAL may have TLVs, as HAProxy sends them; the spec wants an empty LOCAL (section 2.2)."""

    connect_seconds: float = 5.0
    """The deadline of an attempt to reach it, until its greeting: long enough for two lost packets."""

    takes_headers: str = "set it up to take PROXY headers"
    """How to make it accept headers, for messages to the admin."""

    distrusts: str = "does the server take PROXY headers from mailproxy's address?"
    """The likely cause if it closes after a header without an answer, as a question to the admin."""

    check: CheckDefaults = CheckDefaults()

    def limit(self, *, client_cert: bool) -> int:
        """Return the size limit in bytes of a header, with or without the client's certificate."""
        return self.client_cert_budget if client_cert else self.budget

    def takes_alpn(self, protocol: str, alpn: bytes) -> bool:
        """Return whether an ALPN TLV of this value is safe to send to the service for ``protocol``."""
        return self.own_alpn is None or self.own_alpn.get(protocol) == alpn

    def takes_authority(self, name: bytes) -> bool:
        """Return whether an AUTHORITY TLV of this value is safe to send."""
        return self.authority.fullmatch(name) is not None


DOVECOT = Profile(
    name="dovecot",
    # Dovecot reads up to 1500 bytes (HAPROXY_READ_SIZE; 2.4.0 to 2.4.4 accept 1504) and drops the connection of a
    # longer header. Without a certificate, headers stay within the size that every network carries in one piece:
    # Dovecot drops a header in two pieces as well.
    budget=INTENDED_SIZE,
    client_cert_budget=1500,
    # 2.4 drops the connection if the value is not exactly the name of the service; 2.3 and LMTP ignore it.
    own_alpn={"imap": b"imap", "pop3": b"pop3", "submission": b"submission", "managesieve": b"managesieve"},
    # 2.4 drops the connection for anything else (master-service-haproxy.c since b53f175a02).
    authority=re.compile(rb"(?!.*\.\.)[0-9A-Za-z._:-]{1,255}"),
    takes_headers="set haproxy = yes there",
    distrusts="is mailproxy's address in haproxy_trusted_networks?",
    # Before 2.3.15 a LOCAL header with a body was an error; later its TLVs are skipped unread.
    local_tlvs=False,
    # After failed logins from one address, further ones wait 0.5, 4.5, 8.5 and then 15.5 seconds, correct ones too
    # (auth penalty); a probe account with a wrong password must not look like a server that hangs.
    check=CheckDefaults(login_timeout=20.0),
)

POSTFIX = Profile(
    name="postfix",
    takes_headers="set smtpd_upstream_proxy_protocol = haproxy there",
    distrusts="does Postfix's own log name a bad header, or a dead smtpd?",
    # HAPROXY_HEADER_MAX_LEN in global/haproxy_srvr.h; TLVs count though they are skipped.
    budget=536,
    client_cert_budget=536,
    # postscreen_greet_wait is 6 s: until then a new client gets only the first line of the greeting.
    connect_seconds=10.0,
    check=CheckDefaults(timeout=10.0),
)

EXIM = Profile(
    name="exim",
    takes_headers="add mailproxy's address to hosts_proxy there",
    distrusts="is mailproxy's address in hosts_proxy?",
    # Exim's buffer holds 16 bytes and the 216 of the largest address block (smtp_in.c); after a longer header it greets
    # with 220 and then refuses every command.
    budget=232,
    client_cert_budget=232,
)

CYRUS = Profile(
    name="cyrus",
    takes_headers="run it with -H there (Cyrus 3.12 or later)",
    distrusts="is it run with -H (Cyrus 3.12 or later)?",
    # The same union of address blocks, 16 + 216 bytes (imap/haproxy.c).
    budget=232,
    client_cert_budget=232,
)

STALWART = Profile(
    name="stalwart",
    takes_headers="add mailproxy's address to the trusted networks for the proxy protocol there",
    budget=INTENDED_SIZE,
    # No limit was found (its proxy-header 0.1.2 reads until the header is whole); a page holds ordinary certificates.
    client_cert_budget=4096,
    local_tlvs=True,
)

NGINX = Profile(
    name="nginx",
    # Debian 12's 1.22, where ``listen`` has both ``ssl`` and ``proxy_protocol``, looks at no more than this before TLS
    # begins, and resets the connection beyond.
    budget=107,
    client_cert_budget=107,
)

GENERIC = Profile(
    name="generic",
    # For an unknown receiver there is only the spec's intended size.
    budget=INTENDED_SIZE,
    client_cert_budget=INTENDED_SIZE,
    local_tlvs=True,
)

PROFILES: Mapping[str, Profile] = {p.name: p for p in (DOVECOT, POSTFIX, EXIM, CYRUS, STALWART, NGINX, GENERIC)}
"""The profiles by their names in the configuration."""
