"""How long a worker that has ended waits for its replacement."""

from __future__ import annotations

from mailproxy.process.replacement import LONGEST_PAUSE_SECONDS, SHORT_LIFE_SECONDS, ShortLives


def test_first_end_is_followed_at_once() -> None:
    assert ShortLives().pause_after(1, 0.0) == 0.0


def test_pause_doubles_with_each_short_life_up_to_the_longest() -> None:
    lives = ShortLives()
    pauses = [lives.pause_after(1, 0.0) for _ in range(12)]
    assert pauses[:5] == [0.0, 0.5, 1.0, 2.0, 4.0]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


def test_long_life_makes_up_for_short_ones() -> None:
    lives = ShortLives()
    assert [lives.pause_after(1, lived) for lived in (0.0, 0.0, SHORT_LIFE_SECONDS, 0.0)] == [0.0, 0.5, 0.0, 0.0]


def test_each_worker_has_its_own_pause() -> None:
    lives = ShortLives()
    assert [lives.pause_after(number, 0.0) for number in (0, 1, 0)] == [0.0, 0.0, 0.5]
