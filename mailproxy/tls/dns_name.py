"""The check of clients' server names before they are sent to a backend."""

import re

# Letters, digits and hyphens (RFC 1123 section 2.1), and the underscore that some names in use have.
_LABEL = r"[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?"
# A last label of only digits would make it an IPv4 address, which is not a server name (RFC 6066 section 3).
_DNS_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}")


def is_dns_name(name: str) -> bool:
    """
    Return whether a name is a DNS host name in ASCII (A-labels), without a trailing dot.

    A backend may use the name in its log, settings and look-ups; Dovecot 2.4 closes connections with other names.
    """
    return _DNS_NAME.fullmatch(name) is not None
