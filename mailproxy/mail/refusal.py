"""The last words to a client without a server: the server's own refusal, or ours."""

from attrs import frozen

from mailproxy.mail.protocols import PROTOCOLS, TCP


def refusal(protocol: str) -> bytes:
    """
    Return the temporary failure in the protocol's words, with its CRLF; it is sent in place of the greeting.

    Empty for ``tcp``, whose protocol is unknown. KeyError for a protocol that does not exist.
    """
    return b"" if protocol == TCP else PROTOCOLS[protocol].refusal


PERMANENT_TEXT = "Access denied"
"""The text of a permanent refusal that has none of its own."""


def refusal_with(protocol: str, text: str = "", *, is_permanent: bool = False) -> bytes:
    """
    Return a failure with a text of printable ASCII characters in the protocol's words, with its CRLF.

    Without a text, it is `refusal`, or the permanent failure. Empty for ``tcp``.
    """
    if protocol == TCP or not (text or is_permanent):
        return refusal(protocol)
    definition = PROTOCOLS[protocol]
    words = (text or PERMANENT_TEXT).encode("ascii")
    if definition.quotes_text:
        words = words.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return (definition.permanent_form if is_permanent else definition.refusal_form) % words


def goodbye(protocol: str, text: str = "") -> bytes:
    """
    Return the line that ends a session between two commands; empty if the server may not send one unasked.

    It has a text of printable ASCII characters, or the usual one.
    """
    return refusal_with(protocol, text) if protocol != TCP and PROTOCOLS[protocol].says_goodbye else b""


def refuses_when_asked(protocol: str) -> bool:
    """
    Return whether a refusal after STARTTLS answers the client's next command.

    The client has its greeting, and in some protocols it speaks next. In the others the refusal is sent at once.
    """
    return protocol != TCP and PROTOCOLS[protocol].refuses_when_asked


@frozen
class Refusal:
    """A server's words in place of its greeting, or of its reply to a client's EHLO."""

    words: bytes
    """Its own complete lines, with CRLF, at most `WORDS_BYTES`."""

    is_temporary: bool
    """True if another server may accept the client."""


WORDS_BYTES = 4096
"""The most bytes of a refusal that go to the client: eight reply lines of SMTP (RFC 5321 section 4.5.3.1.5)."""


def read_refusal(protocol: str, received: bytes) -> Refusal | None:
    """
    Return the refusal in a server's bytes so far; None if there is none.

    The last line may be incomplete: the server has sent no more of it.
    """
    definition = PROTOCOLS.get(protocol)
    match = None if definition is None else definition.server_refusal.search(received)
    if match is None:
        return None
    lines = match[0].rstrip(b"\r\n").split(b"\n")
    words = _bounded([line.rstrip(b"\r") for line in lines])
    if code := match.groupdict().get("code"):
        # The client must not wait for the lines that were left out.
        words[-1] = code + b" " + words[-1][len(code) + 1 :]
    return Refusal(b"".join(b"%s\r\n" % line for line in words), match["temporary"] is not None)


def _bounded(lines: list[bytes]) -> list[bytes]:
    """Return the lines that fit, or at least a part of the first."""
    left = WORDS_BYTES
    kept = []
    for line in lines:
        left -= len(line) + 2
        if left < 0:
            break
        kept.append(line)
    return kept or [lines[0][: WORDS_BYTES - 2]]
