"""The labels of samples, with their text, which is made once and used by each later scrape."""

from __future__ import annotations

from collections.abc import Sequence

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Labels(dict[str, str]):
    """Labels of a sample, and the same as text."""

    __slots__ = ("text",)

    def __init__(self, names: Sequence[str], values: Sequence[str]) -> None:
        super().__init__(zip(names, values, strict=True))
        self.text = text_of(self)


def text_of(labels: dict[str, str]) -> str:
    """Return labels as the exposition formats have them; "" without labels."""
    pairs = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


class LabelSets:
    """The labels that earlier scrapes had (mutable)."""

    def __init__(self) -> None:
        self._found: dict[tuple[Sequence[str], Sequence[str]], Labels] = {}

    def find(self, names: tuple[str, ...], values: tuple[str, ...]) -> Labels:
        """Return the labels with these names and values."""
        found = self._found.get((names, values))
        if found is None:
            found = self._found[names, values] = Labels(names, values)
        return found

    def clear(self) -> None:
        """Forget all: a reload may have taken servers and frontends away."""
        self._found.clear()
