from ipaddress import IPv4Address, IPv6Address

import pytest

from mailproxy.config import Resolvers
from tests.config.builders import problem, read


def test_resolvers_have_defaults() -> None:
    assert read().resolvers == Resolvers(
        nameservers=(), timeout=1.0, retries=3, hold_valid=1.0, hold_nx=30.0, max_ttl=3600.0
    )


def test_every_key_of_resolvers_is_read() -> None:
    values = {
        "nameservers": ["10.0.0.2", "10.0.0.3:5353", "[2001:db8::2]:53"],
        "timeout": "2s",
        "retries": 1,
        "hold-valid": "10s",
        "hold-nx": "1m",
        "max-ttl": "1d",
    }
    assert read(resolvers=values).resolvers == Resolvers(
        nameservers=((IPv4Address("10.0.0.2"), 53), (IPv4Address("10.0.0.3"), 5353), (IPv6Address("2001:db8::2"), 53)),
        timeout=2.0,
        retries=1,
        hold_valid=10.0,
        hold_nx=60.0,
        max_ttl=86400.0,
    )


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (
            {"nameservers": ["ns.example"]},
            'resolvers.nameservers[0]: is "ns.example", in which "ns.example" is not an IP',
        ),
        ({"nameservers": ["0.0.0.0"]}, 'resolvers.nameservers[0]: is "0.0.0.0", which cannot be connected to'),
        ({"retries": 11}, "resolvers.retries: is 11, needs a whole number from 0 to 10"),
        ({"timeout": "0s"}, 'resolvers.timeout: is "0s"; every wait needs a deadline'),
        (
            {"hold-valid": "2h"},
            "resolvers.hold-valid: is 7200 s, above max-ttl, 3600 s: answers cannot be kept for both",
        ),
    ],
)
def test_wrong_value_is_refused_with_what_is_needed(values: dict[str, object], complaint: str) -> None:
    assert problem(resolvers=values).startswith(complaint)
