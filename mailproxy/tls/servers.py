"""
TLS towards clients, profile by profile, from one reading of the configuration to the next.

A client resumes a session by a ticket, whose keys OpenSSL keeps in a context, and does not give away. So a profile that
has not changed keeps its `TlsServer`, and one with other certificates, or with other authorities and lists that verify
clients, keeps the context that has the keys. What else changes ends all sessions: the keys are new then.
"""

from __future__ import annotations

from attrs import field, frozen

from mailproxy.config import TlsProfile
from mailproxy.tls.certificate import Certificate
from mailproxy.tls.groups import group_certificates
from mailproxy.tls.server import TlsServer
from mailproxy.tls.trust import ClientTrust

Key = tuple[str, tuple[str, ...]]
"""A profile's name, and the ALPN protocols of the frontends that have it; they differ in nothing else."""


@frozen
class _Made:
    settings: TlsProfile
    trust: bytes
    certificates: tuple[bytes, ...]
    server: TlsServer = field(eq=False)


class TlsServers:
    """The `TlsServer` of each profile; frontends with the same profile and ALPN protocols have one together."""

    def __init__(self) -> None:
        self._made: dict[Key, _Made] = {}

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
        digests = tuple(certificate.digest for certificate in certificates)
        groups = group_certificates(certificates)
        if before is None or before.settings != settings:
            server = TlsServer(settings, groups, alpn, trust=trust)
        elif (before.certificates, before.trust) != (digests, trusted):
            server = TlsServer(settings, groups, alpn, trust=trust, keys_of=before.server)
        else:
            return before.server
        self._made[key] = _Made(settings, trusted, digests, server)
        return server

    def copy(self) -> TlsServers:
        """Return the same, for a reading of the configuration that may come to nothing."""
        made = TlsServers()
        made._made = dict(self._made)
        return made

    def forget_others(self, wanted: set[Key]) -> None:
        """Forget the profiles that are not used any more."""
        for key in self._made.keys() - wanted:
            del self._made[key]
