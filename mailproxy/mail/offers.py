"""What each protocol announces before TLS."""

from collections.abc import Mapping

from mailproxy.mail import imap, lmtp, managesieve, pop3, smtp
from mailproxy.mail.capabilities import Offer

OFFERS: Mapping[str, Offer] = {
    "imap": imap.OFFER,
    "pop3": pop3.OFFER,
    "smtp": smtp.OFFER,
    "submission": smtp.OFFER,
    "lmtp": lmtp.OFFER,
    "managesieve": managesieve.OFFER,
}
"""By protocol (a frontend's word); those that have STARTTLS."""
