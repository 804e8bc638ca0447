"""The same keys in several tables, from the general to the particular: the last table that has a key decides."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import frozen

from mailproxy.config.table import Table


@frozen(eq=False)
class Layer:
    """One of the tables: its present and valid keys, with their values."""

    table: Table
    values: Mapping[str, Any]


@frozen(eq=False)
class Layers:
    """The merged tables, as they apply to the last of them."""

    layers: tuple[Layer, ...]

    def __bool__(self) -> bool:
        """Return whether there is any table."""
        return bool(self.layers)

    def __contains__(self, key: str) -> bool:
        """Return whether any table has `key`."""
        return any(key in layer.values for layer in self.layers)

    def value(self, key: str, default: Any) -> Any:
        """Return the value of `key` in the last table that has it."""
        return self.values.get(key, default)

    @property
    def values(self) -> dict[str, Any]:
        """The merged values, by key."""
        return {key: value for layer in self.layers for key, value in layer.values.items()}

    @property
    def last(self) -> Layer:
        """The last, most particular table."""
        return self.layers[-1]

    def is_sound(self, *keys: str) -> bool:
        """Return whether none of `keys` has a problem in any table."""
        return all(layer.table.is_sound(*keys) for layer in self.layers)

    def report(self, key: str, message: str, *, because: str | None = None) -> None:
        """Note a problem with `key` in the last table that has it; if none has it, in the one with `because`."""
        found = self._source(key) or (because and self._source(because)) or self.last
        found.table.report(key, message)

    def up_to_each(self) -> Iterator["Layers"]:
        """Yield each table merged with the more general ones: the values that apply where it was written."""
        return (Layers(self.layers[:count]) for count in range(1, len(self.layers) + 1))

    def _source(self, key: str) -> Layer | None:
        return next((layer for layer in reversed(self.layers) if key in layer.values), None)


def layers(found: Iterable[Layer | None]) -> Layers:
    """Make the layers of the tables that exist."""
    return Layers(tuple(layer for layer in found if layer is not None))
