"""Sources that are shared."""

from __future__ import annotations

from mailproxy.names.source import Shared, Source


class Named(Source):
    """A source that notes its end."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.is_stopped = False

    def stop(self) -> None:
        self.is_stopped = True


def first() -> None:
    """Listen."""


def second() -> None:
    """Listen."""


def test_same_key_is_the_same_source() -> None:
    shared = Shared(Named)
    assert shared.join("a", first) is shared.join("a", second)
    assert shared.join("b", first) is not shared.join("a", first)


def test_source_ends_with_its_last_listener() -> None:
    shared = Shared(Named)
    source = shared.join("a", first)
    shared.join("a", second)
    shared.leave("a", first)
    assert not source.is_stopped
    shared.leave("a", second)
    assert source.is_stopped


def test_source_is_made_again_after_its_end() -> None:
    shared = Shared(Named)
    source = shared.join("a", first)
    shared.leave("a", first)
    assert shared.join("a", first) is not source


def test_listener_that_leaves_meanwhile_gets_nothing() -> None:
    source = Named("a")
    called = []

    def one() -> None:
        called.append("one")
        source.observers.remove(other)

    def other() -> None:
        called.append("other")

    source.observers += [one, other]
    source.notify()
    assert called == ["one"]
