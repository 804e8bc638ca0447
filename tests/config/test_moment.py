"""Times of the week."""

import pytest

from mailproxy.config.kind import WrongValue
from mailproxy.config.moment import DAYS, MOMENTS


def minute(day: str, hour: int, minutes: int = 0) -> int:
    return (DAYS.index(day) * 24 + hour) * 60 + minutes


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("Mon-Fri 08:00-18:00", [("Mon", 8, 0), ("Fri", 17, 59)], [("Mon", 7, 59), ("Fri", 18, 0), ("Sat", 12, 0)]),
        ("Sat,Sun", [("Sat", 0, 0), ("Sun", 23, 59)], [("Mon", 0, 0), ("Fri", 23, 59)]),
        ("22:00-06:00", [("Mon", 23, 0), ("Mon", 5, 59), ("Sun", 22, 0)], [("Mon", 6, 0), ("Wed", 21, 59)]),
        ("Fri 22:00-06:00", [("Fri", 22, 0), ("Sat", 5, 59)], [("Fri", 5, 0), ("Sat", 22, 0)]),
        ("Sun 22:00-06:00", [("Sun", 22, 0), ("Mon", 5, 59)], [("Sun", 5, 0), ("Mon", 22, 0)]),
        ("sat-mon 00:00-24:00", [("Sat", 0, 0), ("Mon", 23, 59)], [("Tue", 0, 0), ("Fri", 0, 0)]),
        ("08:00-08:00", [("Mon", 8, 0), ("Mon", 7, 59)], []),
    ],
)
def test_days_and_times_have_the_minutes_between_them(
    text: str, inside: list[tuple[str, int, int]], outside: list[tuple[str, int, int]]
) -> None:
    moments = MOMENTS.read(text)
    assert all(minute(*one) in moments for one in inside)
    assert not any(minute(*one) in moments for one in outside)
    assert str(moments) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", 'is "", needs days and hours such as'),
        ("Mon Tue 08:00-18:00", "needs days and hours"),
        ("Mo", 'in which "Mo" is no day of the week; did you mean "Mon"?'),
        ("8:00-18:00", 'in which "8:00-18:00" is not hours such as 08:00-18:00'),
        ("08:00-25:00", 'in which "08:00-25:00" is not hours of a day'),
        ("24:00-08:00", 'in which "24:00-08:00" is not hours of a day'),
    ],
)
def test_text_that_is_no_days_and_hours_is_refused(text: str, problem: str) -> None:
    with pytest.raises(WrongValue) as caught:
        MOMENTS.read(text)
    assert problem in str(caught.value)
