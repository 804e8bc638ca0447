"""Docstrings and pages name modules and classes that exist."""

from __future__ import annotations

import builtins
import re
from functools import cache
from pathlib import Path

import pytest

from tests.modules import MODULES, ROOT, modules

PAGES = [ROOT.parent / "CONTRIBUTING.md", ROOT.parent / "docs" / "architecture.md"]
"""Pages for those who read the code; the other ones have few names of it."""

THEIRS = {"DelayedCall", "IllegalQueryError", "ProtocolWrapper"}
"""Names of Twisted that docstrings have and mailproxy does not import."""


@cache
def known() -> set[str]:
    """Every name that exists somewhere."""
    return THEIRS.union(dir(builtins), *(module.names for module in modules().values()))


def wrong_names(text: str) -> list[str]:
    """The names in backticks that look like those of modules or classes, and do not exist."""
    dotted = re.findall(r"`(mailproxy(?:\.\w+)+)(?:\(\))?`", text)
    classes = re.findall(r"(?<!`)`([A-Z]\w*[a-z]\w*)`(?!`)", text)
    return [
        *(name for name in dotted if not (name in MODULES or name.endswith(".toml") or is_member(name))),
        *(name for name in classes if name not in known()),
    ]


def is_member(dotted: str) -> bool:
    """Whether a dotted name is of something in a module."""
    module, _, name = dotted.rpartition(".")
    return module in MODULES and name in modules()[module].names


def test_docstrings_name_what_exists() -> None:
    wrong = [
        (name, pointer) for name, module in modules().items() for text in module.texts for pointer in wrong_names(text)
    ]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_files_and_classes_that_exist(page: Path) -> None:
    text = page.read_text()
    files = [name for name in re.findall(r"`((?:\w+/)+\w+\.py)`", text) if "NAME" not in name]
    assert [name for name in files if not any((folder / name).exists() for folder in (ROOT, ROOT.parent))] == []
    assert wrong_names(text) == []


def test_wrong_names_are_found() -> None:
    text = "`mailproxy.sources.Tallies`, `mailproxy.rules.known`, `Tallies`, `Sources`, `mailproxy.sources.sources`"
    assert set(wrong_names(text)) == {"mailproxy.sources.Tallies", "mailproxy.rules.known", "Tallies"}
