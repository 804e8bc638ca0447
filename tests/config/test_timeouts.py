import pytest

from mailproxy.config import BackendTimeouts
from tests.config.builders import read


def backend_timeouts(**changes: object) -> BackendTimeouts:
    return read(**{f"backend__dovecot__{key}": value for key, value in changes.items()}).backends["dovecot"].timeout


@pytest.mark.parametrize(("profile", "seconds"), [("postfix", 10.0), ("dovecot", 5.0), ("generic", 5.0)])
def test_connecting_takes_as_long_as_the_kind_of_server_may_need(profile: str, seconds: float) -> None:
    assert backend_timeouts(profile=profile).connect == seconds
    assert backend_timeouts(profile=profile, timeout={"queue": "1s"}).connect == seconds
    assert backend_timeouts(profile=profile, timeout={"connect": "3s"}).connect == 3.0


def test_queue_is_as_patient_as_connecting() -> None:
    assert backend_timeouts(timeout={"connect": "2s"}).queue_seconds == 2.0
