"""The values for the formats of a backend's header: the fields of the session's log line at that time."""

from __future__ import annotations

from mailproxy.announce.addresses import address_pair, unpacked
from mailproxy.announce.client_tls import common_name, received_common_name
from mailproxy.session.record import LoggedSession, describe
from mailproxy.tls.dns_name import is_dns_name


def header_words(session: LoggedSession) -> dict[str, str]:
    """
    Return the fields for formats, each as the log writes it, and the connection's addresses.

    As in the header's own TLVs, server names must be clean DNS names, and common names printable and verified. Other
    values are only for the log.
    """
    words = {name: str(value) for name, value in describe(session).items()}
    facts = session.facts
    if facts is not None:
        words["sni"] = facts.server_name if facts.server_name and is_dns_name(facts.server_name) else ""
        words["cn"] = common_name(facts)[0]
    ssl = session.header.ssl if "tlv_ssl_cn" in words and session.header is not None else None
    if ssl is not None:
        words["tlv_ssl_cn"] = received_common_name(ssl)[0]
    pair = address_pair(session.source, session.destination)
    if pair is not None:
        source, destination = unpacked(pair)
        words |= {"src": str(source.host), "src_port": str(source.port)}
        words |= {"dst": str(destination.host), "dst_port": str(destination.port)}
    return words
