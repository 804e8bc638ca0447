"""The strings that make these endpoints where Twisted takes one, ``accept-proxy:tcp\\\\:143:trusted=10.0.0.0/8``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from attrs import frozen
from twisted.internet.endpoints import clientFromString, serverFromString, wrapServerTLS
from twisted.internet.interfaces import IReactorTime, IStreamServerEndpoint

from mailproxy.endpoints.accept import AcceptProxyServerEndpoint
from mailproxy.endpoints.announce import ClientHeader
from mailproxy.endpoints.certificates import client_tls, server_tls
from mailproxy.endpoints.quoting import missing_backslashes
from mailproxy.endpoints.send import SendProxyClientEndpoint
from mailproxy.proxyprotocol import AcceptPolicy, Header, InetAddress, Strictness
from mailproxy.proxyprotocol.policy import TIMEOUT
from mailproxy.proxyprotocol.strictness import MAX_SIZE

_UNIX = "unix"

ACCEPT = ("trusted", "optional", "others", "timeout", "maxSize", "versions", "crc32c", "local", "unspec")
"""The options of ``accept-proxy:``."""

ACCEPT_TLS = (*ACCEPT, "certKey", "privateKey", "extraCertChain")
"""The options of ``accept-proxy-tls:``."""

SEND = ("source", "destination", "profile", "protocol", "options")
"""The options of ``send-proxy-v2:`` and its like."""

SEND_TLS = (*SEND, "hostname", "trustRoots", "certKey", "privateKey")
"""The options of ``send-proxy-v2-tls:`` and its like."""


@frozen
class Spelled:
    """What one string says: the wrapped endpoint, and the options by name."""

    prefix: str
    endpoint: str
    options: Mapping[str, str]

    def get(self, name: str, default: str = "") -> str:
        """Return an option."""
        return self.options.get(name, default)

    def has(self, *names: str) -> bool:
        """Return whether one of these options is there."""
        return any(name in self.options for name in names)

    def wrong(self, name: str, needs: str) -> ValueError:
        """Make the error for an option of the wrong kind."""
        return ValueError(f"{self.prefix}: {name}={self.options[name]} is wrong; needs {needs}")

    def number(self, name: str, default: float, needs: str) -> float:
        """Return an option that is a number."""
        try:
            return float(self.options[name]) if name in self.options else default
        except ValueError:
            raise self.wrong(name, needs) from None

    def chosen(self, name: str, default: str, other: str) -> bool:
        """Return whether an option with two possible words has the second one."""
        word = self.options.get(name, default)
        if word not in (default, other):
            raise self.wrong(name, f"{default} or {other}")
        return word == other

    def listed(self, name: str, default: str = "") -> list[str]:
        """Return an option that is a list with commas."""
        return [part.strip() for part in self.get(name, default).split(",") if part.strip()]


def spelled(prefix: str, known: tuple[str, ...], arguments: Iterable[object], parsed: Mapping[str, object]) -> Spelled:
    """Read a string as Twisted has parsed it; ValueError with the problem and what to write."""
    # `quoteStringArgument` does not quote "=", so Twisted reads a wrapped "tcp\:143\:interface=…" as an option of that
    # name. Our options have no colon in their names: this is the endpoint.
    endpoints = [f"{name}={value}" for name, value in parsed.items() if ":" in name]
    endpoints += [str(argument) for argument in arguments]
    options = {name: str(value) for name, value in parsed.items() if ":" not in name}
    endpoint = options.pop("endpoint", None)
    if endpoint is not None:
        endpoints.append(endpoint)
    unknown = [name for name in options if name not in known]
    if len(endpoints) != 1:
        if not endpoints:
            example = r"tcp\:10.0.0.1\:143" if prefix.startswith("send") else r"tcp\:143"
            raise ValueError(f"{prefix}: names no endpoint to wrap; write {prefix}:{example}")
        raise ValueError(f"{prefix}: {missing_backslashes(prefix, endpoints, options, unknown)}")
    for name in unknown:
        near = get_close_matches(name, known, 1)
        instead = f"did you mean {near[0]}?" if near else f"its options are {', '.join(known)}; one of the wrapped"
        behind = "" if near else f" endpoint has a backslash before its colon, \\:{name}={options[name]}"
        raise ValueError(f"{prefix}: {name} is no option of it; {instead}{behind}")
    return Spelled(prefix, endpoints[0], options)


def accept_proxy(
    reactor: object, arguments: Iterable[object], parsed: Mapping[str, object]
) -> AcceptProxyServerEndpoint:
    """
    Make the endpoint of ``accept-proxy:ENDPOINT``; ValueError says which option is wrong.

    Networks and versions are lists with commas; ``unix`` among the networks stands for UNIX sockets. With neither
    ``trusted`` nor ``optional`` every peer must send a header, as with HAProxy's ``accept-proxy`` on a bind line.
    ``timeout`` is in seconds, ``maxSize`` in bytes.
    """
    return _accept_proxy(reactor, spelled("accept-proxy", ACCEPT, arguments, parsed))


def accept_proxy_tls(
    reactor: object, arguments: Iterable[object], parsed: Mapping[str, object]
) -> IStreamServerEndpoint:
    """
    Make the endpoint of ``accept-proxy-tls:ENDPOINT``: the header in plaintext, then TLS.

    The options are those of ``accept-proxy:``, and Twisted's of ``ssl:``: ``certKey``, ``privateKey``,
    ``extraCertChain``.
    """
    words = spelled("accept-proxy-tls", ACCEPT_TLS, arguments, parsed)
    tls = server_tls(words.prefix, words.get("certKey"), words.get("privateKey"), words.get("extraCertChain"))
    return wrapServerTLS(tls, _accept_proxy(reactor, words), IReactorTime(reactor))


def _accept_proxy(reactor: object, words: Spelled) -> AcceptProxyServerEndpoint:
    everybody = not words.has("trusted", "optional")
    if everybody and words.has("others"):
        raise ValueError(
            f"{words.prefix}: others has no effect without trusted or optional: every peer must send a header then"
        )
    names, optional = words.listed("trusted"), words.listed("optional")
    if not (everybody or names or optional):
        # It may come from an empty variable in a template: nothing is guessed.
        raise ValueError(f"{words.prefix}: trusted= is empty; leave it out if every peer must send a header")
    if not everybody:
        _check_peers(words, {*names, *optional})
    try:
        policy = AcceptPolicy(
            trusted=[name for name in names if name != _UNIX],
            optional=[name for name in optional if name != _UNIX],
            refuse_others=words.chosen("others", "direct", "refused"),
            unix=_UNIX in names,
            optional_unix=_UNIX in optional,
            timeout=words.number("timeout", TIMEOUT, "a number of seconds"),
            strictness=_strictness(words),
            trust_others=everybody,
        )
    except ValueError as error:
        raise ValueError(_prefixed(words.prefix, error)) from None
    return AcceptProxyServerEndpoint(serverFromString(reactor, words.endpoint), policy, IReactorTime(reactor))


def _check_peers(words: Spelled, peers: set[str]) -> None:
    """Refuse networks that no peer of the wrapped endpoint can be in: every peer would be a direct client."""
    kind = words.endpoint.partition(":")[0]
    if kind == "unix" and _UNIX not in peers:
        name = "trusted" if words.listed("trusted") else "optional"
        raise ValueError(f"{words.prefix}: no peer on a UNIX socket has a network; write {name}={_UNIX}")
    if kind in ("tcp", "tcp6", "ssl") and peers == {_UNIX}:
        raise ValueError(
            f"{words.prefix}: no peer of {kind} is on a UNIX socket; name networks, trusted=10.0.0.0/8 for example"
        )


def _strictness(words: Spelled) -> Strictness:
    versions = words.listed("versions", "1,2")
    if not versions or not set(versions) <= {"1", "2"}:
        raise words.wrong("versions", "1, 2 or 1,2")
    crc32c = words.chosen("crc32c", "optional", "required")
    if crc32c and versions == ["1"]:
        raise ValueError(
            f"{words.prefix}: crc32c=required refuses every header of version 1, which versions=1 asks for"
        )
    max_size = words.get("maxSize", str(MAX_SIZE))
    if not (max_size.isascii() and max_size.isdigit()):
        raise words.wrong("maxSize", "a number of bytes")
    return Strictness(
        versions=tuple(map(int, versions)),
        max_size=int(max_size),
        require_crc32c=crc32c,
        accept_local=not words.chosen("local", "accepted", "refused"),
        accept_unspec=not words.chosen("unspec", "accepted", "refused"),
    )


def send_proxy(
    kind: str, reactor: object, arguments: Iterable[object], parsed: Mapping[str, object], *, tls: bool = False
) -> SendProxyClientEndpoint:
    """
    Make the endpoint of ``send-proxy-v2-ssl:ENDPOINT`` and its like; ValueError says which option is wrong.

    ``source`` and ``destination`` are the addresses in every header; without them see `SendProxyClientEndpoint`.
    ``profile``, ``protocol`` and ``options`` (with commas) are those of `ClientHeader`. With `tls`, TLS begins after
    the header: ``hostname`` is the name in the server's certificate, ``trustRoots`` a PEM file or a folder of those,
    ``certKey`` and ``privateKey`` are for a certificate of our own.
    """
    words = spelled(f"send-proxy-{kind}{'-tls' if tls else ''}", SEND_TLS if tls else SEND, arguments, parsed)
    try:
        maker = ClientHeader(
            kind,  # type: ignore[arg-type]  # it checks its words itself
            words.get("profile", "generic"),
            words.get("protocol", "tcp"),
            tuple(words.listed("options")),  # type: ignore[arg-type]
        )
        header = _fixed(words, maker) if words.has("source", "destination") else maker
    except ValueError as error:
        raise ValueError(_prefixed(words.prefix, error)) from None
    creator = None
    if tls:
        if not words.get("hostname"):
            raise ValueError(f"{words.prefix}: hostname is missing, the name that the server's certificate has")
        certificate = words.get("certKey"), words.get("privateKey")
        creator = client_tls(words.prefix, words.get("hostname"), words.get("trustRoots"), *certificate)
    return SendProxyClientEndpoint(clientFromString(reactor, words.endpoint), header, maker.budget, creator)


def _fixed(words: Spelled, maker: ClientHeader) -> Header:
    for name, other in (("source", "destination"), ("destination", "source")):
        if not words.get(other):
            raise ValueError(f"{name} without {other}: a header has both")
    useless = [option for option in maker.proxy_v2_options if option != "crc32c"]
    if useless:
        raise ValueError(
            f"{useless[0]} has no effect with source and destination: there is no client whose TLS it could describe"
        )
    return maker.describe(_address(words, "source"), _address(words, "destination"))


def _address(words: Spelled, name: str) -> InetAddress:
    try:
        return InetAddress.parse(words.get(name))
    except ValueError:
        raise words.wrong(name, r"an address and a port, 192.0.2.1\:25 or [2001\:db8\:\:1]\:25") from None


def _prefixed(prefix: str, error: ValueError) -> str:
    text = str(error)
    return text if text.startswith(prefix) else f"{prefix}: {text}"
