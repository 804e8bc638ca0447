"""HAProxy as the same front, as a front before mailproxy, and as a backend of it."""

import socket
from pathlib import Path

from tests.interop.peers import path
from tests.interop.ports import has_ipv6
from tests.interop.process import Process
from tests.interop.server import until_end

_GLOBAL = """\
global
    maxconn 200
    stats socket {socket} level admin
    tune.ssl.default-dh-param 2048
defaults
    mode tcp
    timeout connect 30s
    timeout client 60s
    timeout server 60s
"""


class HAProxy:
    """A running HAProxy, made of `listen` sections."""

    def __init__(self, folder: Path, ports: list[int], sections: str) -> None:
        """Start it and wait until it listens on these ports."""
        configuration = folder / "haproxy.cfg"
        self._socket = folder / "stats"
        configuration.write_text(_GLOBAL.format(socket=self._socket) + sections)
        self._process = Process([path("haproxy"), "-db", "-f", configuration], folder)
        self._process.until_listening(ports)

    def is_up(self, backend: str) -> dict[str, bool]:
        """Which of a backend's servers are up, by name (management.txt, section 9.3, "show servers state")."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._socket))
            connection.sendall(f"show servers state {backend}\n".encode())
            lines = until_end(connection).decode().splitlines()
        names = lines[1].removeprefix("# ").split()
        servers = [dict(zip(names, line.split(), strict=False)) for line in lines[2:] if line]
        return {server["srv_name"]: server["srv_op_state"] == "2" for server in servers}

    def close(self) -> None:
        """Stop it and all its sessions."""
        self._process.stop()


def listen(port: int, server_port: int, *, bind: str = "", server: str = "") -> str:
    """One section: both loopback addresses of a port, one server on loopback, with HAProxy's options for each."""
    lines = [f"listen port-{port}", f"    bind 127.0.0.1:{port} {bind}"]
    if has_ipv6():
        lines.append(f"    bind [::1]:{port} {bind}")
    lines.append(f"    server only 127.0.0.1:{server_port} {server}")
    return "\n".join(lines) + "\n"


def tls_bind(certificate: Path, client_ca: Path | None = None) -> str:
    """The bind options that end TLS, asking for a client certificate if there is a CA for it."""
    ask = f" ca-file {client_ca} verify optional" if client_ca else ""
    return f"ssl crt {certificate}{ask}"
