"""Hypothesis strategies for every header that the specification has."""

from hypothesis import strategies as st

from mailproxy.proxyprotocol import (
    Command,
    Family,
    Header,
    InetAddress,
    SslClient,
    SslTlv,
    SslType,
    Tlv,
    TlvType,
    Transport,
    UnixAddress,
)

ports = st.integers(0, 65535)
values = st.binary(max_size=40)


def _of_version(version: int) -> st.SearchStrategy[InetAddress]:
    return st.builds(InetAddress, st.ip_addresses(v=4 if version == 4 else 6), ports)


addresses = {
    Family.UNSPEC: st.none(),
    Family.INET: _of_version(4),
    Family.INET6: _of_version(6),
    Family.UNIX: st.builds(UnixAddress, st.binary(max_size=108)),
}

ssl_tlvs = st.builds(
    SslTlv,
    st.integers(0, 255).map(SslClient),
    st.integers(0, 0xFFFFFFFF),
    st.lists(st.builds(Tlv, st.sampled_from(SslType) | st.integers(0, 255), values), max_size=8).map(tuple),
).map(SslTlv.tlv)

plain_tlvs = st.builds(Tlv, st.integers(0, 255).filter(lambda type: type not in (TlvType.SSL, TlvType.CRC32C)), values)

tlv_tuples = st.lists(plain_tlvs | ssl_tlvs, max_size=6).map(tuple)


@st.composite
def proxied(draw: st.DrawFn) -> Header:
    """A version 2 PROXY header of any family and transport."""
    family = draw(st.sampled_from(Family))
    transport = Transport.UNSPEC
    if family is not Family.UNSPEC:
        transport = draw(st.sampled_from((Transport.STREAM, Transport.DGRAM)))
    source, destination = draw(addresses[family]), draw(addresses[family])
    return Header(2, Command.PROXY, family, transport, source, destination, draw(tlv_tuples))


version_1 = st.sampled_from((Family.UNSPEC, Family.INET, Family.INET6)).flatmap(
    lambda family: st.builds(
        Header,
        version=st.just(1),
        family=st.just(family),
        transport=st.just(Transport.STREAM if family else Transport.UNSPEC),
        source=addresses[family],
        destination=addresses[family],
    )
)

headers = st.builds(Header.local, tlv_tuples) | proxied() | version_1
