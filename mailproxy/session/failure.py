"""
A failed attempt to get a server for a client.

Theory of operation. The consequences of a failure depend on its cause:

- Before the PROXY header the client cannot be the cause: the failure is the server's, and counts each time.
- After the header, a server may break off or stay silent because of the header or TLS (Postfix has died of headers, and
  looks clients up in their own DNS): it counts once for each client's network.
- With ``sni = "client"`` the client chooses the name that TLS asks for. A failure of TLS never counts then: clients
  from a few networks could ask for names that the server does not know.
- A server that refuses in its protocol's words works. The refusal is about the client that the header names, or about
  mailproxy if it names none: a connection limit, or a list of addresses. It never counts. Such a server is not tried
  again, and another server only if the refusal is temporary, or cannot be about the client.
"""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from mailproxy.announce.header import names_client
from mailproxy.mail.advice import ConnectionFacts
from mailproxy.mail.backend.talk import shown
from mailproxy.mail.greeting import Greeting
from mailproxy.mail.refusal import Refusal
from mailproxy.tls.client import ClientTls

Counts = Literal["always", "once", "never"]
"""How often a failure counts as an error of its server (``observe``): "once" means once for each client's network."""


@frozen
class Failure:
    """One failed attempt."""

    reason: str
    """For the log, in a clause."""
    is_late: bool = False
    """True if the server took too long; else it refused or closed."""
    counts: Counts = "once"
    words: bytes = b""
    """The server's words for the client; empty if it sent none."""
    is_final: bool = False
    """True if no other server may be tried."""


def not_reached(reason: str, stage: str, tls: ClientTls | None, *, is_late: bool = False) -> Failure:
    """Return the failure of an attempt that ended in a stage of `Outgoing`; `tls` is the server's, if it has any."""
    counts: Counts = "once"
    if stage == "connection":
        counts = "always"
    elif tls is not None and tls.asks_for_clients_name:
        # A client that chooses the name can choose one that makes the server end the handshake.
        counts = "never"
    return Failure(reason, is_late, counts)


def declined(
    greeting: Greeting, header: bytes, *, has_tls: bool, distrusts: str, is_late: bool, is_silent: bool
) -> Failure:
    """
    Return the failure for a greeting that is missing or not accepted, after a header, which may be empty.

    `distrusts` is the likely cause if the server closes the connection after a header. `is_late` is true if the server
    took too long, else it closed or spoke; `is_silent` is true if it gives no reason.
    """
    if greeting.refusal is not None:
        return refused(greeting.refusal, names_client=names_client(header))
    cause = ""
    if greeting.received or is_silent:
        facts = ConnectionFacts(sends_header=bool(header), has_tls=has_tls, distrusts=distrusts)
        cause = facts.likely_cause(greeting.received, is_closed=not is_late)
    return Failure(f"{greeting.reason}; {cause}" if cause else greeting.reason, is_late)


def refused(refusal: Refusal, *, names_client: bool) -> Failure:
    """Return the failure for a refusal; `names_client` if the header named the client."""
    refused_side = "this client" if names_client else "mailproxy"
    return Failure(
        reason=f"the server refuses {refused_side}: {shown(refusal.words)}",
        counts="never",
        words=refusal.words,
        is_final=names_client and not refusal.is_temporary,
    )
