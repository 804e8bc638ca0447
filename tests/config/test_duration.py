import pytest

from mailproxy.config.duration import RAMP, seconds
from mailproxy.config.kind import WrongValue
from tests.config.builders import problem, read


@pytest.mark.parametrize(
    ("text", "expected"),
    [("500ms", 0.5), ("2s", 2.0), ("30m", 1800.0), ("1h", 3600.0), ("1d", 86400.0), ("35 m", 2100.0)],
)
def test_number_with_a_unit_is_read_in_seconds(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "s", "-1s", "1.5s", "1e3s", "1h30m", " 1s", "1s ", "1s\n", "٣s", "9" * 5000 + "s"]
)
def test_what_is_no_whole_number_with_a_unit_is_refused(text: str) -> None:
    with pytest.raises(WrongValue, match="needs a whole number with a unit"):
        seconds(text)


def test_plain_number_is_refused() -> None:
    assert problem(frontend__imaps__timeout={"client": 30}) == (
        'frontend.imaps.timeout.client: is the number 30, needs a string with a unit (ms, s, m, h, d) such as "30s"'
    )


def test_number_in_a_string_is_asked_what_it_means() -> None:
    assert problem(hard_stop_after="30") == 'hard-stop-after: is "30" without a unit; is it "30s" or "30ms"?'


def test_unknown_unit_is_refused() -> None:
    assert problem(hard_stop_after="2w") == 'hard-stop-after: is "2w", whose unit is unknown; units are ms, s, m, h, d'


def test_unit_in_capitals_is_unknown() -> None:
    assert "whose unit is unknown" in problem(hard_stop_after="2M")


def test_no_wait_is_without_a_deadline() -> None:
    assert problem(backend__dovecot__timeout={"connect": "0s"}) == (
        'backend.dovecot.timeout.connect: is "0s"; every wait needs a deadline, at least "1ms" and at most "1h"'
    )


def test_too_long_a_wait_is_refused_with_both_numbers() -> None:
    assert problem(frontend__imaps__timeout={"handshake": "61m"}) == (
        'frontend.imaps.timeout.handshake: is "61m", which is 3660 s; the most is "1h", 3600 s'
    )


def test_bounds_are_allowed() -> None:
    config = read(frontend__imaps__timeout={"handshake": "1h", "close": "1ms", "client": "24d"})
    assert config.frontends[0].timeout.handshake == 3600
    assert config.frontends[0].timeout.close == 0.001
    assert config.frontends[0].timeout.client == 24 * 86400


def test_what_may_be_at_once_may_be_zero() -> None:
    assert RAMP.read("0s") == 0
