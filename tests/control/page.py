"""
The table of commands in docs/ctl.md.

``python -m tests.control.page`` writes it into the page.
"""

import re
from pathlib import Path

from mailproxy.control.command import COMMANDS

PAGE = Path(__file__).parents[2] / "docs" / "ctl.md"


def rows() -> str:
    """The rows of the table."""
    return "".join(f"| `{command.usage}` | {command.summary} |\n" for command in COMMANDS)


if __name__ == "__main__":
    text = PAGE.read_text()
    PAGE.write_text(
        re.sub(r"(\| command \| what it does \|\n\| --- \| --- \|\n)(\|.*\n)*", lambda m: m[1] + rows(), text)
    )
