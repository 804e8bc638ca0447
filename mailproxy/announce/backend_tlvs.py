"""
The TLVs for a backend.

Their order is HAProxy's (``make_proxy_line_v2`` in its src/connection.c): those that the configuration sets, those that
are passed on from the received header, CRC32C, ALPN, AUTHORITY, UNIQUE_ID, SSL. The rules for conflicts:

- A type has one source: the configuration before what is passed on before our own. Of ALPN, AUTHORITY, UNIQUE_ID and
  SSL there is one at most, the first that came in: receivers differ on which of several counts.
- An SSL TLV that is passed on replaces our own, unless it says that the client was without TLS and here it is on TLS:
  the TLS of the client's own connection counts.
- An SSL TLV is passed on without its CN if we would not send that CN from a certificate of our own client.
- TLVs that the profile's backend cannot read are left out.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from mailproxy.announce.client_tls import received_common_name, ssl_tlv
from mailproxy.announce.left_out import LeftOut
from mailproxy.profiles import PROFILES
from mailproxy.proxyprotocol import Header, SslClient, SslTlv, SslType, Tlv, TlvType, tlv_name
from mailproxy.proxyprotocol.options import OPTIONS
from mailproxy.proxyprotocol.tlv import UNIQUE_ID_SIZE
from mailproxy.tls.dns_name import is_dns_name
from mailproxy.tls.facts import TlsFacts

MAX_VALUE = 481
"""
The most bytes of a filled format: as much as fits into a header of 536 bytes (spec section 2).

A client's certificate may have a common name of any length.
"""

# The codec never leaves VERSION out: a trusted sender that errs must not fill the header with it.
_VERSION_ROOM = 64

_CRC32C = Tlv(TlvType.CRC32C, bytes(4))

_OURS = (TlvType.CRC32C, TlvType.NOOP, TlvType.SSL)
_OWN = (TlvType.ALPN, TlvType.AUTHORITY, TlvType.UNIQUE_ID)
_SINGLE = (*_OWN, TlvType.SSL)


NO_WORDS: Mapping[str, str] = {}
"""The words for mailproxy's own connections: none."""


class FormatLike(Protocol):
    """A value that is filled for each session."""

    def fill(self, words: Mapping[str, str]) -> bytes:
        """Return the value for the session with these words; missing words are empty."""


class TlvLike(Protocol):
    """A TLV that the configuration sets."""

    @property
    def type(self) -> int:
        """The type, 0 to 255."""

    @property
    def value(self) -> bytes | FormatLike:
        """The value as it is sent, or its format."""


class HeaderSettings(Protocol):
    """The configuration of a backend's header."""

    @property
    def profile(self) -> str:
        """``profile``, a name in `PROFILES`."""

    @property
    def send_proxy(self) -> str:
        """``send-proxy``: ``none``, ``v1``, ``v2``, ``v2-ssl`` or ``v2-ssl-cn``."""

    @property
    def proxy_v2_options(self) -> Collection[str]:
        """``proxy-v2-options``."""

    @property
    def tlvs(self) -> Iterable[TlvLike]:
        """``proxy-v2-tlvs``: constants and formats, in order."""

    @property
    def pass_tlvs(self) -> Collection[int]:
        """``proxy-v2-pass-tlvs``: the types that are passed on from the received header."""


class BackendTlvs:
    """The choice of TLVs for one backend and one protocol, by its settings."""

    def __init__(self, settings: HeaderSettings, protocol: str) -> None:
        """Check the settings; ValueError if the backend would drop connections, or get false facts."""
        self._profile = PROFILES[settings.profile]
        self._protocol = protocol
        self.limit = self._profile.limit(client_cert="client-cert" in settings.proxy_v2_options)
        """The size in bytes that the whole header may have."""
        wanted = {type for option, type in OPTIONS.items() if option in settings.proxy_v2_options}
        self._ssl_fields = {type for type in wanted if isinstance(type, SslType)}
        if settings.send_proxy == "v2-ssl-cn":
            self._ssl_fields.add(SslType.CN)
        # As in HAProxy, an option for a field of the SSL TLV adds the TLV.
        self._reports_tls = settings.send_proxy == "v2-ssl" or bool(self._ssl_fields)
        self._set = tuple((tlv.type, tlv.value) for tlv in settings.tlvs)
        self.constants = tuple(Tlv(type, value) for type, value in self._set if isinstance(value, bytes))
        """The TLVs that every header has."""
        self.has_formats = len(self.constants) < len(self._set)
        """Whether there are TLVs that are filled for each session."""
        self.has_checksum = TlvType.CRC32C in wanted
        """Whether a CRC32C is among them."""
        set_types = {type for type, _ in self._set}
        self._own = wanted.intersection(_OWN) - set_types
        self.passed_types = frozenset(settings.pass_tlvs) - set_types
        """The types that are passed on."""
        self._check()

    def _check(self) -> None:
        for type, _ in self._set:
            if type in _OURS:
                raise ValueError(f"TLV {tlv_name(type)} cannot be set: the codec writes it")
        for tlv in self.constants:
            if objection := self._objection(tlv):
                raise ValueError(f"TLV {tlv.name} cannot be set: {objection}")
        if wrong := self.passed_types & {TlvType.CRC32C, TlvType.NOOP}:
            raise ValueError(
                f"TLV {tlv_name(min(wrong))} cannot be passed on: it belongs to the header that it came in"
            )

    def chosen(
        self,
        facts: TlsFacts | None,
        received: Header | None,
        unique_id: bytes,
        words: Mapping[str, str] = NO_WORDS,
        more: Sequence[TlvLike] = (),
    ) -> tuple[tuple[Tlv, ...], tuple[LeftOut, ...]]:
        """
        Return the TLVs for one client in their order, and what was left out.

        `more` are those that the configuration sets for this client alone; each replaces all others of its type.

        They include the checksum's TLV, which `mailproxy.proxyprotocol.encode` fills.
        """
        left_out: list[LeftOut] = []
        others, single = self._passed_on(received, left_out)
        set = self._set
        if more:
            types = {tlv.type for tlv in more}
            set = (*(one for one in set if one[0] not in types), *((tlv.type, tlv.value) for tlv in more))
            others = [tlv for tlv in others if tlv.type not in types]
        first = []
        for tlv in _filled(set, words, left_out):
            if tlv.type not in _SINGLE:
                first.append(tlv)
            elif tlv.value:
                self._join(tlv, single, left_out)
        wanted = self._own - single.keys()
        for tlv in self._negotiated(facts, wanted, left_out):
            self._join(tlv, single, left_out)
        if TlvType.UNIQUE_ID in wanted:
            single.update((tlv.type, tlv) for tlv in self.unique_id(unique_id))
        if self._reports_tls and not _stands_for_ours(single.get(TlvType.SSL), facts):
            ssl, missing = ssl_tlv(facts, self._ssl_fields, self.limit)
            single[TlvType.SSL] = ssl.tlv()
            left_out.extend(missing)
        ordered = [single[type] for type in _SINGLE if type in single]
        checksum = (_CRC32C,) if self.has_checksum else ()
        return (*first, *others, *checksum, *ordered), tuple(left_out)

    def drops_ssl(self, received: Header) -> bool:
        """Return whether the received header says that the client is on TLS, and its SSL TLV is not passed on."""
        if TlvType.SSL in self.passed_types:
            return False
        ssl = received.ssl
        return ssl is not None and bool(ssl.client & SslClient.SSL)

    def _passed_on(self, received: Header | None, left_out: list[LeftOut]) -> tuple[list[Tlv], dict[int, Tlv]]:
        others: list[Tlv] = []
        single: dict[int, Tlv] = {}
        for tlv in received.tlvs if received else ():
            if tlv.type not in self.passed_types:
                continue
            if tlv.type not in _SINGLE:
                others.append(tlv)
            elif tlv.type in single:
                left_out.append(LeftOut(tlv.name, "it came in more than once"))
            else:
                self._join(_with_safe_name(tlv, left_out) if tlv.type == TlvType.SSL else tlv, single, left_out)
        return others, single

    def _negotiated(self, facts: TlsFacts | None, wanted: Collection[int], left_out: list[LeftOut]) -> Iterator[Tlv]:
        if facts and facts.alpn and TlvType.ALPN in wanted:
            yield Tlv(TlvType.ALPN, facts.alpn)
        if facts and facts.server_name and TlvType.AUTHORITY in wanted:
            if is_dns_name(facts.server_name):
                yield Tlv(TlvType.AUTHORITY, facts.server_name.encode())
            else:
                left_out.append(LeftOut("AUTHORITY", "the server name that the client asked for is not a DNS name"))

    def unique_id(self, value: bytes) -> tuple[Tlv, ...]:
        """Return the TLV of our unique id, none without the option or if it is empty; ValueError beyond 128 bytes."""
        if len(value) > UNIQUE_ID_SIZE:
            raise ValueError(f"a unique id of {len(value)} bytes, at most {UNIQUE_ID_SIZE} are allowed")
        return (Tlv(TlvType.UNIQUE_ID, value),) if value and TlvType.UNIQUE_ID in self._own else ()

    def _join(self, tlv: Tlv, single: dict[int, Tlv], left_out: list[LeftOut]) -> None:
        if objection := self._objection(tlv):
            left_out.append(LeftOut(tlv.name, objection))
        else:
            single[tlv.type] = tlv

    def _objection(self, tlv: Tlv) -> str:
        """Return why the backend must not get this TLV; empty if it may."""
        match tlv.type:
            case TlvType.ALPN if not self._profile.takes_alpn(self._protocol, tlv.value):
                return f"{self._profile.name} takes no {tlv.value!r} for {self._protocol}"
            case TlvType.AUTHORITY if not self._profile.takes_authority(tlv.value):
                return f"{self._profile.name} takes no such name"
            case TlvType.SSL if (size := _version_size(SslTlv.parse(tlv.value))) > _VERSION_ROOM:
                return f"{size} bytes of VERSION, no more than {_VERSION_ROOM} are passed on"
        return ""


def _filled(
    set: Iterable[tuple[int, bytes | FormatLike]], words: Mapping[str, str], left_out: list[LeftOut]
) -> Iterator[Tlv]:
    """Make the TLVs that the configuration sets."""
    for type, value in set:
        if isinstance(value, bytes):
            yield Tlv(type, value)
            continue
        filled = value.fill(words)
        most = UNIQUE_ID_SIZE if type == TlvType.UNIQUE_ID else MAX_VALUE
        if len(filled) <= most:
            yield Tlv(type, filled)
        else:
            left_out.append(LeftOut(tlv_name(type), f"its format may make at most {most}", len(filled)))


def _with_safe_name(tlv: Tlv, left_out: list[LeftOut]) -> Tlv:
    """Return a received SSL TLV, without a CN that must not be sent."""
    ssl = SslTlv.parse(tlv.value)
    _, objection = received_common_name(ssl)
    if not objection:
        return tlv
    left_out.append(LeftOut("SSL_CN", objection))
    return SslTlv(ssl.client, ssl.verify, tuple(field for field in ssl.tlvs if field.type != SslType.CN)).tlv()


def _version_size(ssl: SslTlv) -> int:
    return sum(field.size for field in ssl.tlvs if field.type == SslType.VERSION)


def _stands_for_ours(passed: Tlv | None, facts: TlsFacts | None) -> bool:
    if passed is None:
        return False
    return facts is None or bool(SslTlv.parse(passed.value).client & SslClient.SSL)
