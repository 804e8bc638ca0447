"""The PROXY header for a backend: the client's addresses, the TLVs chosen for it, and the size limit."""

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial

from attrs import frozen

from mailproxy.announce.addresses import AddressPair, PackedAddress, address_pair, header_bytes, unpacked
from mailproxy.announce.backend_tlvs import NO_WORDS, BackendTlvs, HeaderSettings, TlvLike
from mailproxy.announce.left_out import LeftOut
from mailproxy.profiles import PROFILES
from mailproxy.proxyprotocol import Address, Header, SslType, TlvType, encode, tlv_name
from mailproxy.proxyprotocol.tlv import pack_tlvs
from mailproxy.proxyprotocol.v2 import SIGNATURE as V2_SIGNATURE
from mailproxy.tls.facts import TlsFacts

# The facts of clients without a certificate repeat, except for the names that they ask for. At 1 KiB each, a client
# that asks for ever new names costs at most 512 KiB, and the time of an uncached header each.
_KNOWN_FACTS = 512


@frozen
class BackendHeader:
    """A header's bytes for the backend, to write first and in one piece; empty if the backend gets no header."""

    data: bytes
    left_out: tuple[LeftOut, ...] = ()
    """The wanted TLVs that are not in it."""


_NOTHING = BackendHeader(b"")

# Spec sections 2.1 and 2.2: the families of version 1, and version 2's command PROXY.
_NAMES = (b"PROXY TCP", V2_SIGNATURE + b"\x21")


TLVS = (*(tlv_name(type) for type in TlvType), *(tlv_name(type) for type in SslType))
"""The names of TLVs that have one."""


def names_client(header: bytes) -> bool:
    """Return whether a header's bytes name the client: they are neither empty nor LOCAL nor UNKNOWN."""
    return header.startswith(_NAMES)


class HeaderPolicy:
    """
    Makes the headers for a backend; made once per backend and protocol, called once per connection.

    Its only state is a cache of encoded TLVs.
    """

    def __init__(self, settings: HeaderSettings, protocol: str) -> None:
        """Check a backend's settings for the frontends of one protocol; ValueError if they cannot work."""
        self._version = {"none": 0, "v1": 1}.get(settings.send_proxy, 2)
        self._local_has_tlvs = PROFILES[settings.profile].local_tlvs
        self._tlvs = BackendTlvs(settings, protocol)
        self._limit = self._tlvs.limit
        self.has_formats = self._tlvs.has_formats
        """Whether `build` needs a session's words."""
        self._is_packable = self._version == 2 and not self._tlvs.has_checksum and not self.has_formats
        self._packed = lru_cache(maxsize=_KNOWN_FACTS)(partial(_pack, self._tlvs))
        least = header_bytes((bytes(4), bytes(4), 0, 0), pack_tlvs(self._tlvs.constants))
        if len(least) > self._limit:
            raise ValueError(
                f"proxy-v2-tlvs make a header of {len(least)} bytes, {settings.profile} takes {self._limit}"
            )

    def build(
        self,
        source: Address | PackedAddress | None,
        destination: Address | PackedAddress | None,
        facts: TlsFacts | None,
        received: Header | None = None,
        unique_id: bytes = b"",
        words: Mapping[str, str] = NO_WORDS,
        more: Sequence[TlvLike] = (),
    ) -> BackendHeader:
        """
        Make the header for one client.

        `source` is the client's address and `destination` ours, from the socket or from the received header; None is
        unknown. `facts` is None for a client without TLS; `received` is the received header. `unique_id` is sent if the
        settings say so; ValueError beyond 128 bytes. `words` fill the formats of the settings. `more` are TLVs for this
        client alone; each replaces all others of its type.
        """
        if self._version == 0:
            return _NOTHING
        pair = address_pair(source, destination)
        # The usual client, in 2 µs instead of 12. A test makes sure that the packed bytes are those of `describe`.
        if (
            self._is_packable
            and pair is not None
            and (facts is None or facts.client_certificate is None)
            and (received is None or not self._tlvs.passed_types)
            and not more
        ):
            before, ssl, left_out = self._packed(facts)
            own_id = pack_tlvs(self._tlvs.unique_id(unique_id)) if unique_id else b""
            data = header_bytes(pair, before + own_id + ssl)
            if len(data) <= self._limit:
                return BackendHeader(data, left_out)
        header, left_out = self._describe(pair, facts, received, unique_id, words, more)
        encoded = encode(header, budget=self._limit)
        no_room = (LeftOut.without_room(tlv, self._limit) for tlv in encoded.left_out)
        return BackendHeader(encoded.data, (*left_out, *no_room))

    def drops_ssl(self, received: Header) -> bool:
        """Return whether the received header says that the client is on TLS, and the backend gets no SSL TLV of it."""
        return self._version == 2 and self._tlvs.drops_ssl(received)

    def describe(
        self,
        source: Address | PackedAddress | None,
        destination: Address | PackedAddress | None,
        facts: TlsFacts | None,
        received: Header | None = None,
        unique_id: bytes = b"",
    ) -> tuple[Header, tuple[LeftOut, ...]]:
        """
        Return the header that `build` would encode, of any size, and the TLVs that are left out for other reasons.
        """
        return self._describe(address_pair(source, destination), facts, received, unique_id, NO_WORDS)

    def _describe(
        self,
        pair: AddressPair | None,
        facts: TlsFacts | None,
        received: Header | None,
        unique_id: bytes,
        words: Mapping[str, str],
        more: Sequence[TlvLike] = (),
    ) -> tuple[Header, tuple[LeftOut, ...]]:
        if self._version == 1:
            return Header.proxy(*unpacked(pair), version=1) if pair else Header(version=1), ()
        if pair is None and not self._local_has_tlvs:
            return Header.local(), ()
        tlvs, left_out = self._tlvs.chosen(facts, received, unique_id, words, more)
        return Header.proxy(*unpacked(pair), tlvs) if pair else Header.local(tlvs), left_out


def _pack(policy: BackendTlvs, facts: TlsFacts | None) -> tuple[bytes, bytes, tuple[LeftOut, ...]]:
    """Return the TLVs of a client before and after the place of its unique id, and what was left out."""
    tlvs, left_out = policy.chosen(facts, None, b"")
    ssl = tlvs[-1:] if tlvs and tlvs[-1].type == TlvType.SSL else ()
    return pack_tlvs(tlvs[: len(tlvs) - len(ssl)]), pack_tlvs(ssl), left_out
