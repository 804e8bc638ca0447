"""The demo's configuration: a file like any other, to be read, copied and changed."""

from collections.abc import Iterator
from pathlib import Path

from mailproxy.demo.certificates import Certificates
from mailproxy.demo.ports import FRONT, PROTOCOLS, SERVERS, Ports

_TEXT = """\
# What `mailproxy demo` runs. For a service of your own: your certificates, the ports 993 and 143,
# your servers, and `profile = "dovecot"` if that is what they are.

hard-stop-after = "1s"

[tls.default]
certificates = ["{certificates.server}"]
client-certificates = "optional"
client-ca = "{certificates.client_ca}"

{frontends}
[backend.demo]
profile = "{profile}"
balance = "roundrobin"
send-proxy = "v2-ssl-cn"
proxy-v2-options = ["ssl-cipher", "group", "authority"]
ports = {{ {ports} }}
check = {{ type = "mail", inter = "1s", fall = 2 }}

{servers}"""

_FRONTEND = """\
[frontend.{name}]
bind = ["{host}:{port}"]
protocol = "{protocol}"
tls = "{tls}"
backend = "demo"
"""

_SERVER = """\
[backend.demo.server.{name}]
address = "{host}"
"""


def write(folder: Path, certificates: Certificates, ports: Ports, profile: str) -> Path:
    """Write ``mailproxy.toml`` into `folder`, for the front and the servers at `ports`, which are of a `profile`."""
    path = folder / "mailproxy.toml"
    path.write_text(
        _TEXT.format(
            certificates=certificates,
            frontends="\n".join(_frontends(ports)),
            profile=profile,
            ports=", ".join(f"{protocol} = {port}" for protocol, port in ports.servers.items()),
            servers="\n".join(_SERVER.format(name=name, host=host) for name, host in SERVERS.items()),
        )
    )
    return path


def _frontends(ports: Ports) -> Iterator[str]:
    for tls, by_protocol in (("implicit", ports.implicit), ("starttls", ports.starttls)):
        for protocol in PROTOCOLS:
            yield _FRONTEND.format(
                name=protocol if tls == "starttls" else f"{protocol}-tls",
                host=FRONT,
                port=by_protocol[protocol],
                protocol=protocol,
                tls=tls,
            )
