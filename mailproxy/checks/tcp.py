"""The check ``tcp``: the server accepts a connection and, where it speaks TLS, completes the handshake."""

from mailproxy.checks.connection import ConnectionEnd
from mailproxy.checks.outcome import Outcome


class TcpProbe:
    """Closes as soon as the server is reached."""

    done = True

    def receive(self, data: bytes) -> bytes:
        """Send nothing."""
        return b""

    def end(self) -> None:
        """Nothing was awaited."""

    def outcome(self, end: ConnectionEnd) -> Outcome:
        """The server was reached: it passes."""
        return Outcome(True, "connected", end.seconds)


_PROBE = TcpProbe()


def tcp_probe() -> TcpProbe:
    """Return the probe of ``tcp``, the same for all checks: it keeps nothing."""
    return _PROBE
