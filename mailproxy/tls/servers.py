"""
The TLS profiles towards clients, from one generation to the next.

A client resumes a session with a ticket. OpenSSL keeps the ticket keys in a context, and cannot export them. So an
unchanged profile keeps its `TlsServer`, and a profile with other certificates, or with other authorities and
revocation lists, keeps the context with the keys. Any other change makes new keys, so no client resumes after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import evolve, field, frozen

from mailproxy.config import TlsProfile
from mailproxy.tls.certificate import Certificate
from mailproxy.tls.groups import group_certificates, grouping
from mailproxy.tls.server import TlsServer
from mailproxy.tls.steps import Steps, finish
from mailproxy.tls.stock import Stock
from mailproxy.tls.trust import ClientTrust

TlsKey = tuple[str, tuple[str, ...]]
"""A profile's name, and the ALPN protocols of its frontends; frontends with the same profile differ only in these."""


@frozen
class _Made:
    settings: TlsProfile
    trust: bytes
    certificates: tuple[Certificate, ...]
    number: int | None
    """The number of the stock's context with the ticket keys."""
    server: TlsServer = field(eq=False)


class TlsServers:
    """The `TlsServer` of each profile; frontends with the same profile and ALPN protocols share one."""

    def __init__(self, stock: Stock | None = None) -> None:
        """With a `stock`, ticket keys come from there; without, each new server makes its own."""
        self._stock = stock
        self._made: dict[TlsKey, _Made] = {}
        self._followed: Mapping[TlsKey, int | None] | None = None
        """The numbers of the ticket keys of another process; None if this one chooses."""

    def get(
        self,
        settings: TlsProfile,
        certificates: tuple[Certificate, ...],
        alpn: tuple[str, ...],
        trust: ClientTrust | None = None,
    ) -> TlsServer:
        """
        Return the `TlsServer` of a profile; it is the same as before if the profile has not changed.

        If OpenSSL refuses a setting, raise ValueError and keep the previous server.
        """
        key = settings.name, alpn
        before = self._made.get(key)
        trusted = b"" if trust is None else trust.digest
        settings = _without_files(settings)
        groups = group_certificates(certificates)
        number = self._number(key, settings)
        if before is None or not _have_same_keys(before.settings, settings) or before.number != number:
            keys = None if self._stock is None or number is None else self._stock.context(number)
            # A server for other ALPN protocols has checked the same certificates, perhaps thousands.
            checked = next((made.server.digests for made in self._made.values() if made.settings == settings), set())
            server = TlsServer(settings, groups, alpn, trust=trust, keys=keys, checked=checked)
        elif (before.settings, before.certificates, before.trust) != (settings, certificates, trusted):
            server = TlsServer(settings, groups, alpn, trust=trust, keys_of=before.server)
        else:
            return before.server
        self._made[key] = _Made(settings, trusted, certificates, number, server)
        return server

    def renew(self, profile: str, certificates: tuple[Certificate, ...]) -> None:
        """
        Serve other certificates from the next handshake on, in all frontends with this profile.

        If OpenSSL refuses one (`check`), raise ValueError and change nothing.
        """
        finish(self.renewing(profile, certificates))()

    def renewing(self, profile: str, certificates: tuple[Certificate, ...]) -> Steps[Callable[[], None]]:
        """Prepare `renew`, in steps; the result is a function that makes the change at once."""
        groups = yield from grouping(certificates)
        ready: dict[TlsKey, Callable[[], None]] = {}
        for key, made in self._made.items():
            if key[0] == profile:
                ready[key] = yield from made.server.renewing(groups)

        def renew() -> None:
            for key, exchange in ready.items():
                exchange()
                self._made[key] = evolve(self._made[key], certificates=certificates)

        return renew

    def objection(self, profile: str, certificate: Certificate) -> str:
        """Return why OpenSSL refuses to serve a certificate with a profile's settings; "" if it accepts it."""
        for key, made in self._made.items():
            if key[0] == profile:
                try:
                    made.server.check(certificate)
                except ValueError as error:
                    return str(error).removeprefix(f"{certificate.path}: ")
        return ""

    def verify_with(self, profile: str, trust: ClientTrust) -> bool:
        """Verify the clients of a profile with this trust from now on; return whether it differs from the previous."""
        others = [key for key, made in self._made.items() if key[0] == profile and made.trust != trust.digest]
        for key in others:
            made = self._made[key]
            made.server.verify_with(trust)
            self._made[key] = evolve(made, trust=trust.digest)
        return bool(others)

    def copy(self) -> TlsServers:
        """Return a copy, for a reload that may fail."""
        made = TlsServers(self._stock)
        made._made = dict(self._made)
        made._followed = self._followed
        return made

    def _number(self, key: TlsKey, settings: TlsProfile) -> int | None:
        """Return the number of the stock's context with the ticket keys; None if the stock has none for it."""
        if self._followed is not None:
            return self._followed[key]
        before = self._made.get(key)
        if before is not None and _have_same_keys(before.settings, settings):
            return before.number
        return None if self._stock is None else self._stock.take()

    @property
    def numbers(self) -> dict[TlsKey, int | None]:
        """The numbers of the stock's contexts with the ticket keys, for `follow` in another process."""
        return {key: made.number for key, made in self._made.items()}

    @property
    def lacks_keys(self) -> bool:
        """True if the stock had no context left for a profile: other processes have other ticket keys for it."""
        return self._stock is not None and any(made.number is None for made in self._made.values())

    def follow(self, numbers: Mapping[TlsKey, int | None]) -> None:
        """Use the ticket keys with these numbers, from another process, from now on."""
        self._followed = numbers

    def change_keys(self) -> bool:
        """
        Use other ticket keys from the next handshake on, in every profile.

        If the stock has too few contexts left, return False and change nothing.
        """
        if self._stock is not None and self._stock.left < len(self._made):
            return False
        for key, made in self._made.items():
            self._change_keys(key, made, None if self._stock is None else self._stock.take())
        return True

    def take_keys(self, numbers: Mapping[TlsKey, int | None]) -> None:
        """Use the ticket keys with these numbers, from another process, from the next handshake on."""
        self.follow(numbers)
        for key, made in self._made.items():
            number = numbers.get(key)
            if number is not None and number != made.number:
                self._change_keys(key, made, number)

    def _change_keys(self, key: TlsKey, made: _Made, number: int | None) -> None:
        made.server.change_keys(None if self._stock is None or number is None else self._stock.context(number))
        self._made[key] = evolve(made, number=number)

    def forget_others(self, wanted: set[TlsKey]) -> None:
        """Forget all profiles except those in use."""
        for key in self._made.keys() - wanted:
            del self._made[key]


def _without_files(settings: TlsProfile) -> TlsProfile:
    """Return the settings without the paths of certificates and the interval of `watch`: they do not affect TLS."""
    return evolve(settings, certificates=(), watch=None)


def _have_same_keys(one: TlsProfile, other: TlsProfile) -> bool:
    """Return whether sessions with the one settings may be resumed with the other."""
    return evolve(one, strict_sni=False) == evolve(other, strict_sni=False)
