"""What to change when what a server offers is not right."""

from typing import Any

import pytest

from mailproxy import config
from mailproxy.checks.advice import no_login_advice


@pytest.mark.parametrize(
    ("keys", "with_tls", "remedy"),
    [
        ({"send_proxy": "v2"}, True, '"v2-ssl" tells it that clients are on TLS'),
        ({"send_proxy": "v2", "proxy_v2_options": frozenset({"ssl-cipher"})}, True, "the server's own settings"),
        ({"send_proxy": "v2-ssl"}, True, "the server's own settings"),
        ({"send_proxy": "v2-ssl"}, False, "tls-offloaded-by"),
    ],
)
def test_advice_is_about_what_keeps_clients_from_logging_in(keys: Any, with_tls: bool, remedy: str) -> None:
    settings = config.Backend(name="b", servers=(), **keys)
    advice = no_login_advice("LOGINDISABLED", settings, with_tls=with_tls)
    assert advice.startswith("refuses all logins (LOGINDISABLED): ")
    assert remedy in advice
