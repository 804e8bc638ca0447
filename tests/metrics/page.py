"""
The tables of metrics in docs/metrics.md.

``python -m tests.metrics.page`` writes them into the page.
"""

import re
from pathlib import Path

from mailproxy.metrics.definition import Definition
from mailproxy.metrics.names import METRICS

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"

HEAD = "| metric | type | labels | what it is |\n| --- | --- | --- | --- |\n"

SECTIONS = ("The service", "Frontends", "Backends and servers", "Bans, sources and certificates")

_STARTS = {"mailproxy_frontend": 1, "mailproxy_backend": 2, "mailproxy_server": 2, "mailproxy_source": 3}
_STARTS |= {"mailproxy_certificate": 3, "mailproxy_ban": 3, "mailproxy_list": 3, "mailproxy_crowdsec": 3}


def section(definition: Definition) -> str:
    """The title of the section that has a metric."""
    return SECTIONS[next((number for start, number in _STARTS.items() if definition.family.startswith(start)), 0)]


def rows(title: str) -> str:
    """The rows of a section's table."""
    return "".join(
        f"| `{one.name}` | {'gauge' if one.type == 'info' else one.type} "
        f"| {', '.join(f'`{label}`' for label in one.labels) or '-'} | {one.words} |\n"
        for one in METRICS
        if section(one) == title
    )


def table(title: str) -> str:
    """A section's heading and table."""
    return f"## {title}\n\n{HEAD}{rows(title)}\n"


if __name__ == "__main__":
    text = PAGE.read_text()
    for title in SECTIONS:
        text = re.sub(rf"## {title}\n\n(\|.*\n)*\n*", lambda _, title=title: table(title), text)  # type: ignore[misc]
    PAGE.write_text(text)
