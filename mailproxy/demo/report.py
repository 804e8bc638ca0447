"""What the demo says: the commands to try, and what a backend learnt of a client."""

from pathlib import Path

from mailproxy.demo import account
from mailproxy.demo.certificates import Certificates
from mailproxy.demo.configuration import Ports
from mailproxy.proxyprotocol import Header, SslTlv


def invitation(configuration: Path, certificates: Certificates, fronts: Ports) -> str:
    """The commands to type, for a running demo."""
    trust = f"--cacert {certificates.trusted}"
    login = f"-u {account.USER}:{account.PASSWORD}"
    return f"""\
mailproxy runs with {configuration}
in front of three small servers in this process. Try, in another terminal:

  read the message by IMAP
    curl {trust} {login} 'imaps://localhost:{fronts.imap}/INBOX;UID=1'

  the same with a client certificate, whose name the server learns
    curl {trust} --cert {certificates.client} {login} 'imaps://localhost:{fronts.imap}/INBOX;UID=1'

  read it by POP3, with TLS 1.2
    curl {trust} --tls-max 1.2 {login} 'pop3s://localhost:{fronts.pop3}/1'

  type IMAP yourself: a login {account.USER} {account.PASSWORD}, b select inbox, c logout
    openssl s_client -quiet -crlf -CAfile {certificates.trusted} -connect localhost:{fronts.imap}

  deliver a message by LMTP
    printf '%s\\n' 'LHLO me' 'MAIL FROM:<me@localhost>' 'RCPT TO:<{account.USER}@localhost>' DATA \\
      'Subject: Hello' '' 'Hello!' . QUIT |
      openssl s_client -quiet -crlf -CAfile {certificates.trusted} -connect localhost:{fronts.lmtp}

The account is {account.USER}, its password {account.PASSWORD}. Ctrl-C ends the demo and removes its files.
Of each client you read here what the server behind mailproxy learnt from the PROXY header:
"""


def learnt(server: str, header: Header) -> str:
    """What the header told the server called `server` about its client; one fact a line."""
    facts = {"client": _addresses(header), **_tls(header.ssl), "server name": header.authority or "none"}
    return "\n".join(
        [f"{server} server: a client", *(f"  {name:12} {_printable(fact)}" for name, fact in facts.items())]
    )


def _addresses(header: Header) -> str:
    if header.source is None:
        return "the proxy itself"
    return f"{header.source}, came to {header.destination}"


def _tls(ssl: SslTlv | None) -> dict[str, str]:
    if ssl is None:
        return {"TLS": "none"}
    version = ssl.version or "none"
    return {
        "TLS": ", ".join(filter(None, (version, ssl.cipher, ssl.group))),
        "certificate": (ssl.common_name or "without a name") if ssl.has_verified_certificate else "none",
    }


def _printable(text: str) -> str:
    """Keep a client's names from steering the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
