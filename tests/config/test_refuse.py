"""How rules refuse, and how much bandwidth they give."""

import pytest

from mailproxy.config.bandwidth import BANDWIDTH
from mailproxy.config.kind import WrongValue
from mailproxy.config.refuse import REFUSE, Refuse


@pytest.mark.parametrize(
    ("text", "refuse"),
    [
        ("temporary", Refuse("temporary")),
        ("permanent", Refuse("permanent")),
        ("close", Refuse("close")),
        ("come back on Monday", Refuse("temporary", "come back on Monday")),
        ("temporary: come back", Refuse("temporary", "come back")),
        ("permanent: go away", Refuse("permanent", "go away")),
    ],
)
def test_refusal_is_a_word_or_a_text(text: str, refuse: Refuse) -> None:
    assert REFUSE.read(text) == refuse
    assert REFUSE.read(str(refuse)) == refuse


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("temporay", 'did you mean "temporary"?'),
        ("", "a text for clients is one line"),
        ("two\r\nlines", "a text for clients is one line of printable ASCII characters"),
        ("grüße", "one line of printable ASCII characters"),
        ("permanent: ", "one line of printable ASCII characters"),
        ("x " * 100 + "x", "has 201 characters; a text for clients has 200 at most"),
    ],
)
def test_other_texts_are_refused(text: str, problem: str) -> None:
    with pytest.raises(WrongValue) as caught:
        REFUSE.read(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"), [("1MiB/s", 1024**2), ("64KiB/s", 65536), ("1500B/s", 1500), ("10 MB/s", 10_000_000)]
)
def test_bandwidth_is_bytes_per_second(text: str, value: int) -> None:
    assert BANDWIDTH.read(text) == value
    assert BANDWIDTH.read(BANDWIDTH.write(value)) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1MiB", 'needs bytes per second such as "1MiB/s"'),
        ("1Mbit/s", "units are B, KiB"),
        ("1B/s", 'a bandwidth is from "1KiB/s"'),
        ("999GiB/s", 'a bandwidth is from "1KiB/s"'),
    ],
)
def test_other_bandwidths_are_refused(text: str, problem: str) -> None:
    with pytest.raises(WrongValue) as caught:
        BANDWIDTH.read(text)
    assert problem in str(caught.value)
