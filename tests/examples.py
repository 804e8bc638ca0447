"""How many examples a property has."""

from typing import Any

from hypothesis import settings

MANY = 100
"""Of a property that does not say another number."""

FEW = 25
"""Instead of `MANY`, where a developer waits."""


def load_profile() -> None:
    """Let properties have `MANY` examples; pytest's option ``--hypothesis-profile few`` lets them have `FEW`."""
    current = settings.get_profile(settings.get_current_profile_name())
    # Without a deadline for an example: a busy machine is no counterexample.
    settings.register_profile("many", current, max_examples=MANY, deadline=None)
    settings.register_profile("few", settings.get_profile("many"), max_examples=FEW)
    settings.load_profile("many")


def examples(count: int, **others: Any) -> settings:
    """Settings for a property with `count` examples, or as many times fewer as other properties have."""
    return settings(max_examples=count * settings().max_examples // MANY, **others)
