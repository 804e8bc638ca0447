"""The option that chooses what a benchmark measures."""

from __future__ import annotations

import argparse
from collections.abc import Collection


def add_option(parser: argparse.ArgumentParser, names: Collection[str]) -> None:
    """Add the option, whose value is a list of these names, by default of all."""

    def chosen(text: str) -> list[str]:
        for name in (found := text.split(",")):
            if name not in names:
                raise argparse.ArgumentTypeError(f"there is no {name!r}, only {', '.join(names)}")
        return found

    parser.add_argument("--only", type=chosen, default=list(names), metavar="NAME,…", help="default: all")
