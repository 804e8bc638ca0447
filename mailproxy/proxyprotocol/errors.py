"""The errors in the bytes of a PROXY header: one family, with the numbers in each message."""


class ProxyProtocolError(Exception):
    """The peer's header cannot be accepted; the connection must be closed without serving it."""


class NotProxyProtocol(ProxyProtocolError):
    """The bytes do not begin like a header of an accepted version."""


class MalformedHeader(ProxyProtocolError):
    """It begins like a header but breaks the format's rules."""


class TruncatedHeader(ProxyProtocolError):
    """The connection ended before the header was complete."""


class HeaderTooLarge(ProxyProtocolError):
    """The header announces, or has, more bytes than are accepted."""


class HeaderRefused(ProxyProtocolError):
    """A correct header that the receiver's strictness does not accept."""
