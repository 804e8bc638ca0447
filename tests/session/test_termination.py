"""How sessions end, and what docs/log.md says of it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from attrs import fields

from mailproxy.session import conversation, handshake, termination
from mailproxy.session.counters import Counters
from mailproxy.session.termination import BUG, CLIENT_LEFT, INJECTED, Ending, Termination

LOG = (Path(__file__).parents[2] / "docs" / "log.md").read_text()

ENDINGS = [value for value in vars(termination).values() if isinstance(value, Ending)]


def table(first_line: str) -> list[str]:
    """The rows of the table in docs/log.md that begins with a line."""
    _, found, rest = LOG.partition(f"\n{first_line}\n")
    assert found, f"docs/log.md has no table that begins with {first_line}"
    return rest.partition("\n\n")[0].splitlines()[1:]


def row(ending: Ending) -> str:
    """What docs/log.md says of an ending."""
    letters = ", ".join(f"`{ending.who}{stage}`" for stage in (ending.stage or "RQCD"))
    counter = f"`{ending.counter}`" if ending.counter else ""
    return f"| {letters} | {ending.happened} | {counter} | {'`warn`' if ending.warns else ''} |".replace("  ", " ")


def test_docs_explain_every_ending() -> None:
    assert table("| letters | what happened | counter | level |") == [row(ending) for ending in ENDINGS]


def test_docs_explain_every_letter_of_who_ended_it() -> None:
    assert {line.split("`")[1] for line in table("| who | |")} == {ending.who for ending in ENDINGS}


def test_docs_explain_every_letter_of_a_stage() -> None:
    assert {line.split("`")[1] for line in table("| stage | |")} == {*"RQCD-"}


def test_every_counter_is_one_of_a_frontend() -> None:
    assert {ending.counter for ending in ENDINGS if ending.counter} <= {field.name for field in fields(Counters)}


@pytest.mark.parametrize("stage", [conversation, handshake])
def test_every_ending_around_starttls_says_how_it_ends_the_dialogue(stage: ModuleType) -> None:
    endings = [value for value in vars(stage).values() if isinstance(value, Ending)]
    assert len(endings) > 4
    assert [ending.happened for ending in endings if ending.dialogue == "ended"] == []


def test_only_endings_of_the_handshake_are_counted_as_starttls() -> None:
    of_stage = {value for value in vars(handshake).values() if isinstance(value, Ending)}
    for ending in ENDINGS:
        assert (ending.dialogue == "starttls") == (ending in of_stage - {CLIENT_LEFT, INJECTED})


def test_letters_are_who_and_stage() -> None:
    assert Termination(BUG, "Q", "internal error").letters == "IQ"
