"""What holds for every header and for every input."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from mailproxy.proxyprotocol import Decoder, Header, ProxyProtocolError, Strictness, TlvType, decode, encode
from mailproxy.proxyprotocol.explain import explain
from mailproxy.proxyprotocol.v1 import SIGNATURE as TEXT
from mailproxy.proxyprotocol.v2 import SIGNATURE as BINARY
from tests.examples import examples
from tests.proxyprotocol.generated import headers
from tests.proxyprotocol.vectors import HAPROXY

chunkings = st.lists(st.integers(1, 40), max_size=10)
almost_headers = st.builds(
    lambda begin, fixed, rest: begin + fixed + rest,
    st.sampled_from((b"", BINARY, BINARY[:5], TEXT, b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN")),
    st.sampled_from((b"", b"\x21\x11\x00\x1e", b"\x20\x00\x00\x08", b"\x21\x31\x00\xe0", b"\x21\x21\x00\x30")),
    st.binary(max_size=260) | st.text("0123456789abcdef.: \r\n", max_size=60).map(str.encode),
)


def fed(data: bytes, sizes: list[int]) -> tuple[Header | str, bytes]:
    """The outcome of feeding `data` in pieces of these sizes, and what was left over."""
    decoder = Decoder()
    pieces = []
    for size in [*sizes, len(data)]:
        pieces.append(data[:size])
        data = data[size:]
    for at, piece in enumerate(pieces):
        try:
            header = decoder.feed(piece)
        except ProxyProtocolError as error:
            return str(error), b""
        if header is not None:
            return header, decoder.unused + b"".join(pieces[at + 1 :])
    return "incomplete", b""


@given(headers)
def test_what_is_encoded_decodes_to_the_same(header: Header) -> None:
    assert decode(encode(header).data) == header


@given(headers, st.binary(max_size=20), chunkings)
def test_any_chunking_gives_the_same_header_and_rest(header: Header, rest: bytes, sizes: list[int]) -> None:
    assert fed(encode(header).data + rest, sizes) == (header, rest)


@given(almost_headers, chunkings)
def test_any_chunking_of_anything_gives_the_same_verdict(data: bytes, sizes: list[int]) -> None:
    whole, pieces = fed(data, [])[0], fed(data, sizes)[0]
    assert isinstance(whole, str) == isinstance(pieces, str)
    assert (whole == "incomplete") == (pieces == "incomplete")


@given(st.binary(max_size=60) | almost_headers)
@examples(200)
def test_anything_is_a_header_or_one_error(data: bytes) -> None:
    decoder = Decoder()
    with suppress(ProxyProtocolError):
        decoder.feed(data)
        decoder.end()


@given(headers)
def test_wanted_never_reads_past_the_header(header: Header) -> None:
    data = encode(header).data
    decoder = Decoder()
    position = 0
    while decoder.feed(data[position : position + decoder.wanted]) is None:
        position = decoder.received
    assert decoder.unused == b""
    assert decoder.received == len(data)


@given(headers, st.integers(16, 600))
def test_what_is_encoded_stays_within_the_budget_or_is_refused(header: Header, budget: int) -> None:
    try:
        encoded = encode(header, budget=budget)
    except ValueError:
        return
    assert len(encoded.data) <= budget
    assert (decode(encoded.data) == header) == (encoded.left_out == ())


@given(headers.filter(lambda header: header.version == 2))
def test_a_checksum_made_is_accepted_where_one_is_required(header: Header) -> None:
    data = encode(header, crc32c=True).data
    assert decode(data, Strictness(require_crc32c=True)).tlvs[0].type == TlvType.CRC32C


@given(st.sampled_from(list(HAPROXY.values())), st.integers(0, 10**6), st.integers(1, 255))
def test_one_damaged_byte_raises_only_the_one_family(vector: bytes, at: int, damage: int) -> None:
    at %= len(vector)
    damaged = vector[:at] + bytes((vector[at] ^ damage,)) + vector[at + 1 :]
    with suppress(ProxyProtocolError):
        decode(damaged)


@given(st.binary(max_size=60) | almost_headers)
def test_anything_can_be_explained(data: bytes) -> None:
    explanation = explain(data)
    assert (explanation.header is None) == (explanation.error is not None)
    assert str(explanation).isprintable() or "\n" in str(explanation)
