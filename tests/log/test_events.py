"""The events of the log: docs/log.md has each with its fields."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"(?m)^\| (`[a-z-]+`(?:, `[a-z-]+`)*) \|[^|]*\|([^|]*)\|")


@define
class Event:
    """One event: the fields that its calls name, and whether some add others."""

    fields: set[str] = field(factory=set)
    has_others: bool = False


def events_of_code() -> dict[str, Event]:
    found: dict[str, Event] = {}
    for path in sorted((ROOT / "mailproxy").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            for name, fields in _events(node):
                event = found.setdefault(name, Event())
                event.fields |= {one for one in fields if one and not one.startswith("log_")} - {"event", "line"}
                event.has_others |= None in fields
    return found


def _events(node: ast.AST) -> Iterator[tuple[str, set[str | None]]]:
    """Yield the events that a call or a dict makes, each with its keys; None stands for others."""
    if isinstance(node, ast.Call) and any(one.arg == "event" for one in node.keywords):
        keys: set[str | None] = {one.arg for one in node.keywords}
        value = next(one.value for one in node.keywords if one.arg == "event")
    elif isinstance(node, ast.Dict) and any(
        isinstance(key, ast.Constant) and key.value == "event" for key in node.keys
    ):
        keys = {None}
        value = next(
            value
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant) and key.value == "event"
        )
    else:
        return
    for one in ast.walk(value):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value, keys


def events_of_page() -> dict[str, set[str]]:
    table = (ROOT / "docs/log.md").read_text().partition("## All events")[2]
    return {
        name: set(re.findall(r"`([a-z_]+)`", fields))
        for names, fields in _ROW.findall(table)
        for name in re.findall(r"`([a-z-]+)`", names)
        if name != "event"
    }


def test_page_has_each_event() -> None:
    assert set(events_of_page()) == set(events_of_code())


def test_page_has_the_fields_of_each_event() -> None:
    page = events_of_page()
    code = events_of_code()
    wrong = {
        name: (page[name], event.fields)
        for name, event in code.items()
        if name in page and not (event.has_others or page[name] == event.fields)
    }
    # A sum has a table of its own.
    assert set(wrong) <= {"refusals"}, wrong


def test_fields_that_a_call_names_are_on_the_page_even_if_there_are_others() -> None:
    page = events_of_page()
    for name, event in events_of_code().items():
        if event.has_others and page[name]:
            assert event.fields <= page[name], name
