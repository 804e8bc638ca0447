"""The package's modules, as their source has them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from attrs import Factory, frozen

import mailproxy

ROOT = Path(mailproxy.__file__).parent


@frozen
class Module:
    """What the source of one module has."""

    imports: list[ast.Import | ast.ImportFrom] = Factory(list)
    """At its top, inside a function, for types alone."""

    names: set[str] = Factory(set)
    """Every name that it defines or imports."""

    texts: list[str] = Factory(list)
    """Its docstrings."""


def name_of(path: Path) -> str:
    """The dotted name of the module in `path`."""
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


@cache
def modules() -> dict[str, Module]:
    """Each module; not read when pytest collects, which each of its processes does."""
    return {name: read(path.read_bytes()) for name, path in MODULES.items()}


def read(source: bytes) -> Module:
    """Return what a module has."""
    module = Module()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import() | ast.ImportFrom():
                module.imports.append(node)
                module.names.update(name for alias in node.names for name in alias.name.split("."))
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                module.names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                module.names.add(name)
            case ast.Expr(value=ast.Constant(value=str(text))):
                module.texts.append(text)
    return module
