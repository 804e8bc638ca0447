"""The SSL TLV: the client's TLS facts for a backend (spec section 2.2.6, values as in HAProxy)."""

from collections.abc import Container, Iterator, Sequence

from mailproxy.announce.left_out import LeftOut
from mailproxy.proxyprotocol.ssl import NOT_VERIFIED, SslClient, SslTlv, text_of
from mailproxy.proxyprotocol.tlv import SslType, Tlv
from mailproxy.tls.facts import TlsFacts

OFFLOADED = TlsFacts(
    version="",
    cipher="",
    group=None,
    server_name=None,
    alpn=None,
    resumed=False,
    certificate_sig_alg=None,
    certificate_key_alg=None,
    client_certificate=None,
    client_common_names=(),
    verify=NOT_VERIFIED,
)
"""
A client whose TLS ended before mailproxy, without further facts.

Unknown facts are left out. The spec requires VERSION with the flag, but receivers read only the flag, and an invented
version would be a false fact in their logs.
"""


def ssl_tlv(facts: TlsFacts | None, wanted: Container[SslType], limit: int) -> tuple[SslTlv, tuple[LeftOut, ...]]:
    """
    Return the SSL TLV for a client, which is without TLS if `facts` is None, and what was left out of it.

    VERSION is included if it is known, the other fields if `wanted` names them. A field larger than `limit`, the most
    bytes of the whole header, is left out: a client may present a certificate of any size.
    """
    if facts is None:
        return SslTlv(SslClient(0), NOT_VERIFIED), ()
    name, objection = common_name(facts) if SslType.CN in wanted else ("", "")
    left_out = [LeftOut("SSL_CN", objection)] if objection else []
    fields = []
    for tlv in _fields(facts, name):
        if tlv.type not in wanted and tlv.type != SslType.VERSION:
            continue
        if tlv.size <= limit:
            fields.append(tlv)
        else:
            left_out.append(LeftOut.without_room(tlv, limit))
    verify = NOT_VERIFIED if facts.client_certificate is None else facts.verify
    return SslTlv(_client(facts), verify, tuple(fields)), tuple(left_out)


def _client(facts: TlsFacts) -> SslClient:
    if facts.client_certificate is None:
        return SslClient.SSL
    if facts.resumed:
        return SslClient.SSL | SslClient.CERT_SESS
    return SslClient.SSL | SslClient.CERT_CONN | SslClient.CERT_SESS


def _fields(facts: TlsFacts, common_name: str) -> Iterator[Tlv]:
    texts = (
        (SslType.VERSION, facts.version),
        (SslType.CN, common_name),
        (SslType.KEY_ALG, facts.certificate_key_alg),
        (SslType.SIG_ALG, facts.certificate_sig_alg),
        (SslType.CIPHER, facts.cipher),
        (SslType.GROUP, facts.group),
    )
    yield from (Tlv(type, text.encode()) for type, text in texts if text)
    # The certificate contains the CN, so it too is sent only if it is verified.
    if facts.client_certificate and facts.verify == 0:
        yield Tlv(SslType.CLIENT_CERT, facts.client_certificate)


def common_name(facts: TlsFacts) -> tuple[str, str]:
    """Return the CN to send; or "" and, if the certificate has a CN, the reason why it is not sent."""
    return _name_to_send(() if facts.client_certificate is None else facts.client_common_names, facts.verify)


def received_common_name(ssl: SslTlv) -> tuple[str, str]:
    """Return the CN of a received SSL TLV to send, by the same rules, and the reason if it is not sent."""
    names = tuple(text_of(field.value) for field in ssl.tlvs if field.type == SslType.CN)
    if names and not ssl.client & (SslClient.CERT_CONN | SslClient.CERT_SESS):
        return "", "there is no certificate"
    return _name_to_send(names, ssl.verify)


def _name_to_send(names: Sequence[str | None], verify: int) -> tuple[str, str]:
    if not names:
        return "", ""
    if verify != 0:
        return "", f"the certificate is not verified (verify {verify})"
    # Receivers differ on which of several CNs counts, the first or the most specific: no choice is right for all.
    if len(names) > 1:
        return "", f"the certificate has {len(names)} of them"
    name = names[0]
    if name is None:
        return "", "it is not UTF-8"
    # Control characters and line separators forge log lines, a NUL cuts the name in C ("alice\0evil" is logged in as
    # alice by Dovecot), half a surrogate pair has no UTF-8, and format characters make one name look like another.
    if not name.isprintable():
        return "", "it has unprintable characters"
    return name, ""
