"""Advice for servers whose capabilities are wrong for their clients."""

from mailproxy import config

CLEAR_ADVICE = (
    "takes passwords from clients without TLS; set ssl = required on Dovecot 2.4, disable_plaintext_auth = yes "
    'on Dovecot 2.3, smtpd_tls_auth_only = yes on Postfix, or tls = "starttls" for the frontend'
)
STARTTLS_ADVICE = (
    "still offers STARTTLS to clients that are on TLS already; on Dovecot 2.3 set ssl = no outside of all blocks, or "
    "in local ADDRESS { } for the address that clients connect to (inside inet_listener it changes nothing); on other "
    "servers turn TLS off for the port that mailproxy connects to"
)


def no_login_advice(sign: str, settings: config.Backend, *, with_tls: bool) -> str:
    """
    Return the advice for a server that allows no login: `sign` is the sign of it in its list; the likely cause follows.
    """
    if with_tls and not settings.reports_tls:
        cause = f'send-proxy is "{settings.send_proxy}"; "v2-ssl" tells it that clients are on TLS'
    elif with_tls:
        cause = "the header says that clients are on TLS; what do the server's own settings require for a login?"
    else:
        cause = (
            "it treats clients as unsecured; if a proxy ends their TLS before mailproxy, say so with tls-offloaded-by, "
            'or pass on what that proxy says with proxy-v2-pass-tlvs = ["ssl"]'
        )
    return f"refuses all logins ({sign}): {cause}"
