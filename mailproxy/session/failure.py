"""
A failed attempt to get a server for a client.

Theory of operation. What follows from a failure depends on who caused it:

- Before the PROXY header the client cannot matter: the failure is the server's, and counts each time.
- Behind the header, a server that breaks off or stays silent may do so because of what the header or TLS says (Postfix
  has died of headers, and looks clients up in their own DNS): it counts once for each client's network.
- With ``sni = "client"`` the client chooses the name that TLS asks for. A failure of TLS never counts then: it takes
  few networks to ask for names that the server does not know.
- A server that refuses in its protocol's words works. What it says is about the client that the header names, or about
  us if it names nobody: its connection limit, its list of addresses. It never counts. Such a server is not asked again,
  and another one only if it says that this will pass, or if it cannot have meant the client.
"""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from mailproxy.mail.backend.talk import shown
from mailproxy.mail.refusal import Refusal

Counts = Literal["always", "once", "never"]
"""How often a failure counts as an error of its server's (``observe``): "once" is for each client's network."""


@frozen
class Failure:
    """One failed attempt."""

    reason: str
    """For the log, in a clause."""
    is_late: bool = False
    """True if the server took too long; else it refused, or went away."""
    counts: Counts = "once"
    words: bytes = b""
    """What the server itself says to the client; empty if it says nothing."""
    is_final: bool = False
    """True if no other server is to be asked."""


def refused(refusal: Refusal, *, names_client: bool) -> Failure:
    """Return the failure that a refusal is; `names_client` if the server was told who the client is."""
    refused_side = "this client" if names_client else "mailproxy"
    return Failure(
        reason=f"the server refuses {refused_side}: {shown(refusal.words)}",
        counts="never",
        words=refusal.words,
        is_final=names_client and not refusal.is_temporary,
    )
