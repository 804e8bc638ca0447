"""The demo's instructions."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

from mailproxy import __version__
from mailproxy.demo.account import ADDRESS, PASSWORD, PLAIN, USER
from mailproxy.demo.certificates import Certificates
from mailproxy.demo.ports import FRONT, SERVERS, Ports

CLIENT = "127.0.0.77"
"""The address of the first client: different from the front's, so that they can be distinguished."""

_LOGIN = f"{USER}:{PASSWORD}"


@frozen
class Invitation:
    """The commands to try."""

    folder: Path
    certificates: Certificates
    ports: Ports
    servers: str
    """The kind of d1 and d2, in two words."""
    program: str
    """The command for this program."""

    def story(self, *, has_keys: bool) -> str:
        """The commands that show mailproxy's use."""
        return "\n".join(self._story(has_keys))

    def _story(self, has_keys: bool) -> Iterator[str]:
        ports, trust = self.ports, f"--cacert {self.certificates.trusted}"
        server = f"{SERVERS['d1']}:{ports.servers['imap']}"
        yield f"mailproxy {__version__} runs on {FRONT}, in front of {self.servers}, d1 on"
        yield "{d1} and d2 on {d2}. Configuration, certificates and log are in".format(**SERVERS)
        yield f"{self.folder} until Ctrl-C. Type in another terminal:"
        yield from _command(
            f"1. {USER} at {CLIENT} reads her mail, over TLS and with a certificate",
            f"curl --interface {CLIENT} {trust} \\",
            f"  --cert {self.certificates.client} -u {_LOGIN} \\",
            f"  'imaps://localhost:{ports.implicit['imap']}/INBOX;UID=1'",
        )
        yield from _command(
            "2. past mailproxy: d1 refuses no header and a forged one; watch this terminal",
            f"curl -u {_LOGIN} 'imap://{server}/INBOX;UID=1'",
            f"curl --interface {CLIENT} --haproxy-protocol \\",
            f"  -u {_LOGIN} 'imap://{server}/INBOX;UID=1'",
        )
        if has_keys:
            yield ""
            yield "  3. press 1 here to kill d1: the first command works all the same, on d2"
        yield from _command(
            f"{4 if has_keys else 3}. the known attacks on STARTTLS: mailproxy withstands them all",
            f"{self.program} check-starttls --protocol imap {FRONT}:{ports.starttls['imap']}",
        )
        yield from _command(
            "and a server that executes what was sent before TLS does not",
            f"{self.program} check-starttls --protocol imap --timeout 1 \\",
            f"  {FRONT}:{ports.vulnerable}",
        )

    def protocols(self) -> str:
        """A command for each protocol, with TLS from the first byte and with STARTTLS."""
        return "\n".join(self._protocols())

    def _protocols(self) -> Iterator[str]:
        curl, tls, starttls = f"curl --cacert {self.certificates.trusted} \\", self.ports.implicit, self.ports.starttls
        mail = (
            f"MAIL FROM:<{ADDRESS}>",
            f"RCPT TO:<{ADDRESS}>",
            "DATA",
            "Subject: Hello",
            "",
            "See you soon",
            ".",
            "QUIT",
        )
        deliver = ("LHLO me", *mail)
        send = ("EHLO me", f"AUTH PLAIN {PLAIN}", *mail)
        sieve = (f'AUTHENTICATE "PLAIN" "{PLAIN}"', "LISTSCRIPTS", "LOGOUT")
        yield "Every protocol, with TLS from the first byte, then with STARTTLS:"
        yield from _command("IMAP", curl, f"  'imaps://{_LOGIN}@localhost:{tls['imap']}/INBOX;UID=1'")
        yield from _command(
            "IMAP, STARTTLS", *self._pipe((f"a login {USER} {PASSWORD}", "b logout"), starttls["imap"], "imap")
        )
        yield from _command("POP3, with TLS 1.2", curl, f"  --tls-max 1.2 pop3s://{_LOGIN}@localhost:{tls['pop3']}/1")
        yield from _command(
            "POP3, STARTTLS",
            *self._pipe((f"user {USER}", f"pass {PASSWORD}", "stat", "quit"), starttls["pop3"], "pop3"),
        )
        yield from _command("LMTP", *self._pipe(deliver, tls["lmtp"]))
        yield from _command("LMTP, STARTTLS", *self._pipe(deliver, starttls["lmtp"], "lmtp"))
        yield from _command("submission", *self._pipe(send, tls["submission"]))
        yield from _command("submission, STARTTLS", *self._pipe(send, starttls["submission"], "smtp"))
        yield from _command("ManageSieve", *self._pipe(sieve, tls["managesieve"]))
        yield from _command("ManageSieve, STARTTLS", *self._pipe(sieve, starttls["managesieve"], "sieve"))

    def _pipe(self, lines: Sequence[str], port: int, starttls: str = "") -> Iterator[str]:
        """Send all lines at once; mailproxy leaves them in the socket until the server has greeted."""
        words = [f"'{line}'" if set(line) & set(' <>"') or not line else line for line in lines]
        rows = ["printf '%s\\n'"]
        for word in words:
            if len(rows[-1]) + len(word) > 84:
                rows.append(" ")
            rows[-1] += f" {word}"
        yield from (f"{row} \\" for row in rows[:-1])
        yield f"{rows[-1]} |"
        begin = f" -starttls {starttls}" if starttls else ""
        yield f"  openssl s_client -quiet -crlf{begin} \\"
        yield f"  -CAfile {self.certificates.trusted} -servername localhost \\"
        yield f"  -connect localhost:{port}"


KEYS = "Keys: 1 and 2 kill d1 and d2, or start them again; p: every protocol; q: the end"

WAITING = "What the server learns about each client appears here:"


def program() -> str:
    """The shortest command that runs this program again."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{sys.executable} -m mailproxy"
    found = shutil.which("mailproxy")
    if found is not None and Path(found).samefile(called):
        return "mailproxy"
    here = Path.cwd()
    return str(called.absolute().relative_to(here)) if called.absolute().is_relative_to(here) else str(called)


def _command(heading: str, *lines: str) -> Iterator[str]:
    yield ""
    yield f"  {heading}"
    yield from (f"    {line}" for line in lines)
