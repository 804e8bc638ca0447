"""What docs/checks.md says is so."""

import re
import tomllib
from pathlib import Path

import pytest

from mailproxy.checks.agent_words import read_words
from mailproxy.checks.http_connection import MAX_BYTES, MAX_INTERIM, MAX_LINE_BYTES, MAX_LINES
from mailproxy.checks.pace import BURST, GAP_SECONDS
from mailproxy.config import parse
from mailproxy.mail.backend.talk import SIZE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "checks.md").read_text()
REST = """
[frontend.f]
bind = ["127.0.0.1:0"]
protocol = "imap"
tls = "none"
backend = "dovecot"
[backend.dovecot.server.d1]
address = "192.0.2.1:143"
"""


@pytest.mark.parametrize("example", re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
def test_example_is_accepted(example: str) -> None:
    (server,) = parse(example + REST, ROOT).backends["dovecot"].servers
    assert server.check.type == tomllib.loads(example)["backend"]["dovecot"]["check"]["type"]


@pytest.mark.parametrize("cell", re.findall(r"^\| (`.*?) \| ", PAGE.partition("## Agents")[2], re.MULTILINE))
def test_words_of_agents_are_words(cell: str) -> None:
    for word in re.findall(r"`(.*?)`", cell):
        reply = read_words(word.encode())
        assert not reply.is_empty
        assert reply.unknown == ()


def test_limits_are_those_of_the_code() -> None:
    assert f"reads at most {SIZE // 1024} KiB" in PAGE
    assert f"more than {MAX_BYTES // 1024} KiB" in PAGE
    assert (
        f"{MAX_LINES} lines before the body, {MAX_LINE_BYTES // 1024} KiB a line, {MAX_INTERIM} 1xx responses" in PAGE
    )
    assert BURST == 8
    assert pytest.approx(0.0001) == GAP_SECONDS
