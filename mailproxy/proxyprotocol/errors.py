"""What can be wrong with the bytes of a PROXY header: one family of errors, each message carrying the numbers."""


class ProxyProtocolError(Exception):
    """The peer's header cannot be accepted; the connection must be closed without serving it."""


class NotProxyProtocol(ProxyProtocolError):
    """What arrived does not begin like a header of any accepted version."""


class MalformedHeader(ProxyProtocolError):
    """It begins like a header but breaks the format's rules."""


class TruncatedHeader(ProxyProtocolError):
    """The connection ended before the header was complete."""


class HeaderTooLarge(ProxyProtocolError):
    """The header announces, or has already reached, more bytes than are accepted."""


class HeaderRefused(ProxyProtocolError):
    """A correct header that the receiver's strictness does not accept."""
