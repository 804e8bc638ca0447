"""
TLS towards clients, profile by profile, from one reading of the configuration to the next.

A client resumes a session by a ticket, whose keys OpenSSL keeps in a context, and does not give away. So a profile that
has not changed keeps its `TlsServer`, and one with other certificates, or with other authorities and lists that verify
clients, keeps the context that has the keys. What else changes ends all sessions: the keys are new then.
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

Key = tuple[str, tuple[str, ...]]
"""A profile's name, and the ALPN protocols of the frontends that have it; they differ in nothing else."""


@frozen
class _Made:
    settings: TlsProfile
    trust: bytes
    certificates: tuple[Certificate, ...]
    number: int | None
    """Which context of the stock has the ticket keys."""
    server: TlsServer = field(eq=False)


class TlsServers:
    """The `TlsServer` of each profile; frontends with the same profile and ALPN protocols have one together."""

    def __init__(self, stock: Stock | None = None) -> None:
        """With a `stock`, ticket keys come from there; else each new server has its own."""
        self._stock = stock
        self._made: dict[Key, _Made] = {}
        self._told: Mapping[Key, int | None] | None = None

    def get(
        self,
        settings: TlsProfile,
        certificates: tuple[Certificate, ...],
        alpn: tuple[str, ...],
        trust: ClientTrust | None = None,
    ) -> TlsServer:
        """
        Return the TLS of a profile, the same as before where nothing about it has changed.

        ValueError when OpenSSL refuses a setting; what there was before is there still.
        """
        key = settings.name, alpn
        before = self._made.get(key)
        trusted = b"" if trust is None else trust.digest
        settings = _without_files(settings)
        groups = group_certificates(certificates)
        number = self._number(key, settings)
        if before is None or not _have_same_keys(before.settings, settings) or before.number != number:
            keys = None if self._stock is None or number is None else self._stock.context(number)
            # Other protocols have the same profile, perhaps with thousands of certificates.
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
        Serve other certificates from the next handshake on, whoever has the profile's servers.

        ValueError, and no change, when OpenSSL refuses one (`check`).
        """
        finish(self.renewing(profile, certificates))()

    def renewing(self, profile: str, certificates: tuple[Certificate, ...]) -> Steps[Callable[[], None]]:
        """Make ready for `renew`, step by step; what is returned does it, at once."""
        groups = yield from grouping(certificates)
        ready: dict[Key, Callable[[], None]] = {}
        for key, made in self._made.items():
            if key[0] == profile:
                ready[key] = yield from made.server.renewing(groups)

        def renew() -> None:
            for key, exchange in ready.items():
                exchange()
                self._made[key] = evolve(self._made[key], certificates=certificates)

        return renew

    def objection(self, profile: str, certificate: Certificate) -> str:
        """Say why OpenSSL refuses to serve a certificate with the settings of a profile; "" if it does not."""
        for key, made in self._made.items():
            if key[0] == profile:
                try:
                    made.server.check(certificate)
                except ValueError as error:
                    return str(error).removeprefix(f"{certificate.path}: ")
        return ""

    def verify_with(self, profile: str, trust: ClientTrust) -> bool:
        """Verify the clients of a profile with another trust from now on; return whether it is another one."""
        others = [key for key, made in self._made.items() if key[0] == profile and made.trust != trust.digest]
        for key in others:
            made = self._made[key]
            made.server.verify_with(trust)
            self._made[key] = evolve(made, trust=trust.digest)
        return bool(others)

    def copy(self) -> TlsServers:
        """Return the same, for a reading of the configuration that may come to nothing."""
        made = TlsServers(self._stock)
        made._made = dict(self._made)
        made._told = self._told
        return made

    def _number(self, key: Key, settings: TlsProfile) -> int | None:
        """Return which of the stock's contexts has the ticket keys; None if it has none for this."""
        if self._told is not None:
            return self._told[key]
        before = self._made.get(key)
        if before is not None and _have_same_keys(before.settings, settings):
            return before.number
        return None if self._stock is None else self._stock.take()

    @property
    def numbers(self) -> dict[Key, int | None]:
        """Which of the stock's contexts have the ticket keys, for `follow` in another process."""
        return {key: made.number for key, made in self._made.items()}

    def follow(self, numbers: Mapping[Key, int | None]) -> None:
        """Take the ticket keys that another process says, from now on."""
        self._told = numbers

    def change_keys(self) -> bool:
        """
        Make tickets with other keys from the next handshake on, in every profile.

        False, and no change, if the stock has not enough contexts left.
        """
        if self._stock is not None and self._stock.left < len(self._made):
            return False
        for key, made in self._made.items():
            self._change_keys(key, made, None if self._stock is None else self._stock.take())
        return True

    def take_keys(self, numbers: Mapping[Key, int | None]) -> None:
        """Make tickets with the keys that another process says, from the next handshake on."""
        self.follow(numbers)
        for key, made in self._made.items():
            number = numbers.get(key)
            if number is not None and number != made.number:
                self._change_keys(key, made, number)

    def _change_keys(self, key: Key, made: _Made, number: int | None) -> None:
        made.server.change_keys(None if self._stock is None or number is None else self._stock.context(number))
        self._made[key] = evolve(made, number=number)

    def forget_others(self, wanted: set[Key]) -> None:
        """Forget the profiles that are not used any more."""
        for key in self._made.keys() - wanted:
            del self._made[key]


def _without_files(settings: TlsProfile) -> TlsProfile:
    """Leave out where certificates are and when they are looked at, which is nothing to the TLS that is spoken."""
    return evolve(settings, certificates=(), watch=None)


def _have_same_keys(one: TlsProfile, other: TlsProfile) -> bool:
    """Tell whether sessions that were made with some settings may go on with others."""
    return evolve(one, strict_sni=False) == evolve(other, strict_sni=False)
