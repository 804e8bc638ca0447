"""A listener that accepts nobody: what pauses it is what a test looks at."""


class FakeListener:
    """A listener that would accept whenever nothing pauses it."""

    def __init__(self) -> None:
        self.reasons: set[str] = set()

    @property
    def accepts(self) -> bool:
        return not self.reasons

    def pause(self, reason: str) -> None:
        self.reasons.add(reason)

    def resume(self, reason: str) -> None:
        self.reasons.discard(reason)
