"""LMTP before TLS: SMTP's words but for the greeting (RFC 2033)."""

from attrs import evolve

from mailproxy.mail import smtp

OFFER = evolve(
    smtp.OFFER,
    # Section 5: the first two every LMTP server must have, the third it should.
    builtin=(b"PIPELINING", b"ENHANCEDSTATUSCODES", b"8BITMIME"),
)

# Section 4.1: LHLO in place of HELO and EHLO, which must not succeed and should get 500.
LMTP = smtp.Dialect(b"LMTP", greets=b"LHLO", greets_plainly=frozenset(), offer=OFFER)


class LmtpScript(smtp.SmtpScript):
    """SMTP's, with LHLO."""

    def __init__(self, host: bytes, capabilities: tuple[bytes, ...] | None, *, optional: bool) -> None:
        super().__init__(host, capabilities, optional=optional, dialect=LMTP)
