"""The mail protocols: one `Protocol` for each."""

import re

from attrs import evolve

from mailproxy.mail import imap, lmtp, managesieve, pop3, refused_logins, smtp
from mailproxy.mail.backend import imap as imap_server
from mailproxy.mail.backend import lmtp as lmtp_server
from mailproxy.mail.backend import managesieve as managesieve_server
from mailproxy.mail.backend import pop3 as pop3_server
from mailproxy.mail.backend import smtp as smtp_server
from mailproxy.mail.protocol import Protocol

IMAP = Protocol(
    name="imap",
    alpn=("imap",),
    script=imap.ImapScript,
    offer=imap.OFFER,
    # RFC 7162 section 4: a server should accept 8192 octets.
    line=8192,
    greet=imap_server.greet,
    # RFC 9051 section 7.1.
    first_line=re.compile(rb"\* (?:OK|PREAUTH)(?:[ \r][^\n]*)?\n", re.IGNORECASE),
    learn=imap_server.learn,
    login=imap_server.login,
    part=imap_server.part,
    takes_passwords=imap_server.takes_passwords,
    no_login=imap_server.no_login,
    # Untagged responses come at any time (RFC 9051 section 7).
    sends_unasked=True,
    refused_logins=refused_logins.IMAP,
    # BYE is one of the greetings (RFC 9051 section 7.1.5); UNAVAILABLE means a temporary failure (RFC 5530 section 3).
    refusal=b"* BYE [UNAVAILABLE] Service temporarily unavailable, try again later\r\n",
    refusal_form=b"* BYE [UNAVAILABLE] %s\r\n",
    # NOPERM: access is not permitted, and trying again does not help (RFC 5530 section 3).
    permanent_form=b"* BYE [NOPERM] %s\r\n",
    # Dovecot sends this without a code if its authentication does not start.
    server_refusal=re.compile(
        rb"^\* BYE\b(?P<temporary> \[UNAVAILABLE\]| Auth process broken)?[^\n]*", re.MULTILINE | re.IGNORECASE
    ),
    # BYE is an untagged response (RFC 9051 section 7.1.5).
    says_goodbye=True,
    refuses_when_asked=False,
)

POP3 = Protocol(
    name="pop3",
    alpn=("pop3",),
    script=pop3.Pop3Script,
    offer=pop3.OFFER,
    # RFC 2449 section 4: a command has up to 255 octets; 512 is what it allows for a line of the server.
    line=512,
    greet=pop3_server.greet,
    # RFC 1939 section 4.
    first_line=re.compile(rb"\+OK[^\n]*\n"),
    learn=pop3_server.learn,
    login=pop3_server.login,
    part=pop3_server.part,
    takes_passwords=pop3_server.takes_passwords,
    no_login=pop3_server.no_login,
    refused_logins=refused_logins.POP3,
    # SYS/TEMP means that the password is not wrong (RFC 3206 section 4).
    refusal=b"-ERR [SYS/TEMP] Service temporarily unavailable, try again later\r\n",
    refusal_form=b"-ERR [SYS/TEMP] %s\r\n",
    permanent_form=b"-ERR [SYS/PERM] %s\r\n",
    # RFC 1939 section 3; Dovecot as in IMAP.
    server_refusal=re.compile(
        rb"^-ERR\b(?P<temporary> \[SYS/TEMP\]| Auth process broken)?[^\n]*", re.MULTILINE | re.IGNORECASE
    ),
    # The server only answers (RFC 1939 section 3).
    says_goodbye=False,
    # The client has its greeting and speaks next (RFC 2595 section 4).
    refuses_when_asked=True,
)

SMTP = Protocol(
    name="smtp",
    # Exim's names; IANA has none.
    alpn=("smtp", "esmtp"),
    script=smtp.SmtpScript,
    offer=smtp.OFFER,
    # RFC 5321 section 4.5.3.1.4 has 512, which extensions lengthen; Postfix's line_length_limit is 2048.
    line=2048,
    greet=smtp_server.greet,
    # RFC 5321 section 3.1.
    first_line=re.compile(rb"220(?:[ -][^\n]*|\r)?\n"),
    introduce=smtp_server.introduce,
    learn=smtp_server.learn,
    login=smtp_server.login_if_offered,
    part=smtp_server.part,
    takes_passwords=smtp_server.takes_passwords,
    refused_logins=refused_logins.SMTP,
    # 421 is the reply that announces the close (RFC 5321 sections 3.8 and 4.2.3), X.3.2 a system that takes no mail
    # (RFC 3463 section 3.4).
    refusal=b"421 4.3.2 Service not available, closing transmission channel\r\n",
    refusal_form=b"421 4.3.2 %s\r\n",
    # 554 is a greeting too (RFC 5321 section 3.1), X.7.1 a delivery that is not authorized (RFC 3463 section 3.8).
    permanent_form=b"554 5.7.1 %s\r\n",
    # RFC 5321 section 4.2.1: all lines have the code, and all but the last a hyphen. The last may be missing.
    server_refusal=re.compile(
        rb"^(?P<code>(?:(?P<temporary>4)|5)[0-9]{2})(?:-[^\n]*\n(?P=code))*(?:[ -][^\n]*)?(?:\r?\n|\r?\Z)", re.MULTILINE
    ),
    # 421 may be sent before a server closes (RFC 5321 section 3.8).
    says_goodbye=True,
    # The client has its greeting and speaks next (RFC 3207 section 4.2).
    refuses_when_asked=True,
)

# Clients that submit mail log in (RFC 6409 section 4.3).
SUBMISSION = evolve(
    SMTP,
    name="submission",
    # The first one is Dovecot's.
    alpn=("submission", "smtp", "esmtp"),
    login=smtp_server.login,
    no_login=smtp_server.no_login,
)

LMTP = evolve(
    # SMTP's greeting, replies and refusals (RFC 2033 section 4).
    SMTP,
    name="lmtp",
    alpn=("lmtp", "smtp", "esmtp"),
    script=lmtp.LmtpScript,
    offer=lmtp.OFFER,
    learn=lmtp_server.learn,
    login=lmtp_server.login,
    refused_logins=None,
    login_shows="answered LHLO",
    instead_of_login="sends LHLO",
)

MANAGESIEVE = Protocol(
    name="managesieve",
    alpn=("managesieve",),
    script=managesieve.ManageSieveScript,
    offer=managesieve.OFFER,
    # RFC 5804 section 4: a quoted string has up to 1024 octets; NOOP's tag with every one of them escaped fits.
    line=2048 + 64,
    greet=managesieve_server.greet,
    # RFC 5804 section 1.7.
    first_line=re.compile(rb"(?:[\"{][^\n]*|OK(?:[ \r][^\n]*)?)\n", re.IGNORECASE),
    learn=managesieve_server.learn,
    login=managesieve_server.login,
    part=managesieve_server.part,
    takes_passwords=managesieve_server.takes_passwords,
    no_login=managesieve_server.no_login,
    refused_logins=refused_logins.MANAGESIEVE,
    # TRYLATER (RFC 5804 section 1.3) in a response-bye (section 4).
    refusal=b'BYE (TRYLATER) "Service temporarily unavailable, try again later"\r\n',
    refusal_form=b'BYE (TRYLATER) "%s"\r\n',
    # No response code of RFC 5804 means this.
    permanent_form=b'BYE "%s"\r\n',
    quotes_text=True,
    # RFC 5804 sections 1.2 and 1.3; the text may be a literal, on lines of its own.
    server_refusal=re.compile(
        rb"^(?:BYE|NO)\b(?P<temporary> \(TRYLATER\))?.*", re.MULTILINE | re.IGNORECASE | re.DOTALL
    ),
    # BYE may be sent at any time (RFC 5804 section 1.2).
    says_goodbye=True,
    # The client waits for the server's listing after STARTTLS (RFC 5804 section 2.2).
    refuses_when_asked=False,
)

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol for protocol in (IMAP, POP3, LMTP, SUBMISSION, SMTP, MANAGESIEVE)
}
"""
The mail protocols by their names in the configuration.

In all of them the server speaks first (RFC 9051 section 7.1, RFC 1939 section 4, RFC 5321 section 3.1, RFC 2033 section
4, RFC 5804 section 1.7), and all have STARTTLS.
"""

TCP = "tcp"
"""The name for an unknown protocol: either side may begin, and mailproxy sends no words of its own."""


def protocol_words() -> tuple[str, ...]:
    """Return the names of all protocols in the configuration."""
    return (*PROTOCOLS, TCP)
