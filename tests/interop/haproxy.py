"""HAProxy in the roles it has beside us: the same front, a front before us, a backend behind us."""

from pathlib import Path

from .peers import path
from .ports import has_ipv6
from .process import Process

_GLOBAL = """\
global
    maxconn 200
    tune.ssl.default-dh-param 2048
defaults
    mode tcp
    timeout connect 5s
    timeout client 20s
    timeout server 20s
"""


class HAProxy:
    """A running HAProxy, made of `listen` sections."""

    def __init__(self, folder: Path, ports: list[int], sections: str) -> None:
        """Start it and wait until it listens on these ports."""
        configuration = folder / "haproxy.cfg"
        configuration.write_text(_GLOBAL + sections)
        self._process = Process([path("haproxy"), "-db", "-f", configuration], folder)
        self._process.until_listening(ports)

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
