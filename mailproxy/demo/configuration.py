"""The demo's configuration: a file like any other, to be read, copied and changed."""

from pathlib import Path

from attrs import frozen

from mailproxy.demo.certificates import Certificates


@frozen
class Ports:
    """A port of each protocol on the loopback address."""

    imap: int
    pop3: int
    lmtp: int


def write(folder: Path, certificates: Certificates, fronts: Ports, backends: Ports) -> Path:
    """Write ``mailproxy.toml`` into `folder`: clients come to `fronts`, the demo's servers listen at `backends`."""
    path = folder / "mailproxy.toml"
    path.write_text(
        f"""\
# What `mailproxy demo` runs. For a service of your own: your certificates, the ports 993 and 995,
# your servers, and `profile = "dovecot"` if that is what they are.

hard-stop-after = "1s"

[tls.default]
certificates = ["{certificates.server}"]
client-certificates = "optional"
client-ca = "{certificates.client_ca}"

[frontend.imaps]
bind = ["127.0.0.1:{fronts.imap}"]
protocol = "imap"
backend = "demo"

[frontend.pop3s]
bind = ["127.0.0.1:{fronts.pop3}"]
protocol = "pop3"
backend = "demo"

[frontend.lmtps]
bind = ["127.0.0.1:{fronts.lmtp}"]
protocol = "lmtp"
backend = "demo"

[backend.demo]
send-proxy = "v2-ssl-cn"
proxy-v2-options = ["ssl-cipher", "group", "authority"]
ports = {{ imap = {backends.imap}, pop3 = {backends.pop3}, lmtp = {backends.lmtp} }}

[backend.demo.server.embedded]
address = "127.0.0.1"
"""
    )
    return path
