"""The dialects of the mail protocols; pure data, one file per protocol."""

from collections.abc import Mapping

from mailproxy.audit.dialect import Dialect
from mailproxy.audit.dialects.imap import IMAP
from mailproxy.audit.dialects.managesieve import MANAGESIEVE
from mailproxy.audit.dialects.pop3 import POP3
from mailproxy.audit.dialects.smtp import LMTP, SMTP

DIALECTS: Mapping[str, Dialect] = {
    "imap": IMAP,
    "pop3": POP3,
    "submission": SMTP,
    "smtp": SMTP,
    "lmtp": LMTP,
    "managesieve": MANAGESIEVE,
}
"""By the protocol's name in the configuration."""
