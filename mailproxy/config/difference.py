"""
The differences between two configurations, as lines for the log and for a check before a reload.

The lines name sections and keys: ``+ frontend pop3s``, or ``~ backend dovecot: server d3 added, weight of d1 100 ->
50``. Values that follow from other keys, such as the list of files, have no line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import attrs

from mailproxy.config.config import Config
from mailproxy.config.duration import shown_seconds
from mailproxy.config.key import keys_of
from mailproxy.config.rule import shown_rule
from mailproxy.proxyprotocol import tlv_name

Sign = Literal["+", "-", "~"]

LONGEST_VALUE = 60
"""Of a longer value the line only says that it has changed: people read these lines."""

_SECTIONS = {"frontends": "frontend", "backends": "backend", "servers": "server"}
_TLVS = frozenset({"log_tlvs", "pass_tlvs"})
_SECRET = frozenset({"headers"})
_FOLLOWS = frozenset({"name", "files", "has_first_look", "text"})
"""Fields that follow from others."""


@attrs.frozen
class Difference:
    """One section, or key of the top level, that was added (+), removed (-) or changed (~)."""

    sign: Sign
    what: str
    details: tuple[str, ...] = ()
    """The changes in it, in words."""
    needs_restart: bool = False
    """True if it takes effect only after a restart."""

    def __str__(self) -> str:
        """Write it as one line."""
        line = f"{self.sign} {self.what}"
        return f"{line}: {', '.join(self.details)}" if self.details else line


def differences(before: Config, after: Config) -> tuple[Difference, ...]:
    """Return the changes from `before` to `after`, in the order of the configuration's fields."""
    return tuple(_of_top(before, after))


def differences_since(started: Config, current: Config, after: Config) -> tuple[Difference, ...]:
    """
    Return what a reload with `after` changes in a service that started with `started`, and now has `current`.

    What takes effect only after a restart is compared with the start: it is a change until there was one.
    """
    return (
        *(one for one in differences(started, after) if one.needs_restart),
        *(one for one in differences(current, after) if not one.needs_restart),
    )


def with_details(found: Iterable[Difference], more: Iterable[tuple[str, tuple[str, ...]]]) -> tuple[Difference, ...]:
    """
    Add what else has changed in sections, by the sections' names; it takes effect without a restart.

    A table such as `limits` can have two differences: one now, one after a restart.
    """
    known = {(one.what, one.needs_restart): one for one in found}
    for what, details in more:
        there = known.get((what, False), Difference("~", what))
        known[what, False] = attrs.evolve(there, details=(*there.details, *details))
    return tuple(known.values())


def _of_top(before: attrs.AttrsInstance, after: attrs.AttrsInstance) -> Iterator[Difference]:
    for field, key, needs_restart in _fields(type(after)):
        was, now = getattr(before, field), getattr(after, field)
        if was == now:
            continue
        if field in _SECTIONS or isinstance(now, Mapping):
            yield from _of_sections(_SECTIONS.get(field, key), _by_name(was), _by_name(now))
        elif attrs.has(type(now)) and attrs.has(type(was)):
            yield from _of_one_table(key, was, now)
        else:
            yield Difference("~", key, (_change("", was, now),), needs_restart)


def _of_one_table(key: str, before: Any, after: Any) -> Iterator[Difference]:
    """Yield the changes of a table of the top level, apart for keys that need a restart."""
    late = {field: getattr(after, field) for field, _, needs_restart in _fields(type(after)) if needs_restart}
    between = attrs.evolve(before, **late)
    for was, now, needs_restart in ((before, between, True), (between, after, False)):
        if details := tuple(_of_table(was, now)):
            yield Difference("~", key, details, needs_restart)


def _of_sections(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    for name in before.keys() - after.keys():
        yield Difference("-", f"{kind} {name}")
    for name, now in after.items():
        if name not in before:
            yield Difference("+", f"{kind} {name}")
        elif details := tuple(_of_table(before[name], now)):
            yield Difference("~", f"{kind} {name}", details)


def _of_table(before: Any, after: Any, prefix: str = "", of: str = "") -> Iterator[str]:
    """Yield the changes in a table, key by key; `prefix` comes before each key, `of` names their owner."""
    if type(before) is not type(after):
        yield f"{prefix.rstrip('.')}{of} changed"
        return
    for field, key, _ in _fields(type(after)):
        was, now = getattr(before, field), getattr(after, field)
        if was == now:
            continue
        if field == "servers":
            yield from _of_servers(_by_name(was), _by_name(now))
        elif field == "rules":
            yield from _of_rules(_by_name(was), _by_name(now))
        elif _is_table(was) and _is_table(now):
            yield from _of_table(was, now, f"{prefix}{key}.", of)
        elif isinstance(now, Mapping) and isinstance(was, Mapping) and field not in _SECRET:
            yield from _of_mapping(was, now, f"{prefix}{key}.", of)
        else:
            yield _of_value(field, f"{prefix}{key}{of}", was, now)


def _of_mapping(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str, of: str) -> Iterator[str]:
    for name in (*(before.keys() - after.keys()), *after):
        if before.get(name) != after.get(name):
            yield _change(f"{prefix}{name}{of}", before.get(name), after.get(name))


def _of_value(field: str, key: str, before: Any, after: Any) -> str:
    if field in _SECRET:
        return f"{key} changed"
    if isinstance(after, tuple | frozenset) and isinstance(before, tuple | frozenset):
        show = tlv_name if field in _TLVS else _shown
        return _change_of_list(key, list(map(show, before)), list(map(show, after)))
    return _change(key, before, after)


def _of_servers(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    yield from _of_names("server", before, after)
    for name, now in after.items():
        if name in before:
            yield from _of_table(before[name], now, of=f" of {name}")
    yield from _of_order("servers", before, after)


def _of_rules(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Yield the changes of rules; what has changed in a condition is too long for a line."""
    yield from _of_names("rule", before, after)
    yield from (f"{shown_rule(name)} changed" for name, now in after.items() if before.get(name, now) != now)
    yield from _of_order("rules", before, after)


def _of_names(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    show = shown_rule if kind == "rule" else f"{kind} {{}}".format
    yield from (f"{show(name)} added" for name in after if name not in before)
    yield from (f"{show(name)} removed" for name in before if name not in after)


def _of_order(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    both = [name for name in before if name in after]
    if both != [name for name in after if name in before]:
        yield f"{kind} in another order"


def _change(key: str, before: object, after: object) -> str:
    was, now = _shown(before), _shown(after)
    space = " " if key else ""
    return f"{key}{space}changed" if _is_unfit(was, now) else f"{key}{space}{was} -> {now}"


def _change_of_list(key: str, before: list[str], after: list[str]) -> str:
    gone = [entry for entry in before if entry not in after]
    new = [entry for entry in after if entry not in before]
    signed = " ".join([*(f"-{entry}" for entry in gone), *(f"+{entry}" for entry in new)])
    if not signed:
        return f"{key} in another order"
    return f"{key} changed" if _is_unfit(signed) else f"{key} {signed}"


def _is_unfit(*shown: str) -> bool:
    return any(len(text) > LONGEST_VALUE or "object at 0x" in text for text in shown)


def _shown(value: object) -> str:
    """Write a value as the configuration has it, without quotes."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return shown_seconds(value)
    return str(value)


def _is_table(value: object) -> bool:
    """Return whether a value is a table with keys, not a value that is shown as a whole."""
    return attrs.has(type(value)) and "__str__" not in vars(type(value))


def _by_name(sections: Any) -> Mapping[str, Any]:
    return sections if isinstance(sections, Mapping) else {section.name: section for section in sections}


def _fields(model: type[attrs.AttrsInstance]) -> Iterator[tuple[str, str, bool]]:
    """Yield the fields that can differ, each with its key and whether a change of it needs a restart."""
    known: dict[str, tuple[str, bool]] = {}
    for name, field, about in keys_of(model):
        known.setdefault(field, (name, about.needs_restart))
    for one in attrs.fields(model):
        if one.name not in _FOLLOWS:
            yield one.name, *known.get(one.name, (one.name.replace("_", "-"), False))
