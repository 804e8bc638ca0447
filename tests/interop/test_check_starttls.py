"""The known attacks on STARTTLS, tried against a real Dovecot: it has to withstand them all."""

import pytest

from mailproxy.audit import Result, Verdict, run_cases

from .certificates import SERVER_NAME, Certificates
from .dovecot import PROTOCOLS, Dovecot

# Dovecot takes a client that has its own address for secure and allows it to log in in clear.
_ELSEWHERE = "127.0.0.2"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_dovecot_withstands_all(starttls_dovecot: Dovecot, pki: Certificates, protocol: str) -> None:
    results = run_cases("127.0.0.1", starttls_dovecot.direct_ports[protocol], protocol, quiet=0.2, source=_ELSEWHERE)
    from mailproxy.audit.table import table
    print(table(results, 170))
    assert 0
