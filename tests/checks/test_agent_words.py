"""The words of HAProxy's agent checks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.checks.agent_words import AgentReply, read_words


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"up", AgentReply(health="up")),
        (b"UP\r\n", AgentReply(health="up")),
        (b"down", AgentReply(health="down")),
        (b"stopped", AgentReply(health="stopped")),
        (b"fail#disk full", AgentReply(health="fail", reason="disk full")),
        (b"down # disk, full \r\n", AgentReply(health="down", reason="disk, full")),
        (b"ready", AgentReply(admin="ready")),
        (b"drain", AgentReply(admin="drain")),
        (b"maint", AgentReply(admin="maint")),
        (b"75%", AgentReply(percent=75)),
        (b"weight:75%", AgentReply(percent=75)),
        (b"weight:30", AgentReply(weight=30)),
        (b"maxconn:30", AgentReply(maxconn=30)),
        (b"ready up 75% maxconn:30", AgentReply(admin="ready", health="up", percent=75, maxconn=30)),
        (b"ready,up\t0%", AgentReply(admin="ready", health="up", percent=0)),
        (b" up  ", AgentReply(health="up")),
        (b"up down", AgentReply(health="down")),
        (b"75% weight:1", AgentReply(weight=1)),
        (b"#down", AgentReply(reason="down")),
    ],
)
def test_each_word_of_an_agent_sets_its_part_of_the_reply(line: bytes, reply: AgentReply) -> None:
    assert read_words(line) == reply


@pytest.mark.parametrize("word", ["75", "weight", "maxconn:", "maxconn:-1", "-1%", "999999%", "maxconn:1e3", "läuft"])
def test_what_is_no_word_is_passed_over(word: str) -> None:
    reply = read_words(f"up {word}".encode("latin-1"))
    assert reply.health == "up"
    assert len(reply.unknown) == 1


@pytest.mark.parametrize("line", [b"", b"\r\n", b"hello", b"#reason"])
def test_line_without_a_word_says_nothing(line: bytes) -> None:
    assert read_words(line).is_empty


@pytest.mark.parametrize("word", [b"down", b"fail", b"stopped"])
def test_down_fail_and_stopped_say_that_the_server_is_down(word: bytes) -> None:
    assert read_words(word).is_down


@pytest.mark.parametrize("line", [b"up", b"75%", b"drain"])
def test_other_words_do_not_say_that_the_server_is_down(line: bytes) -> None:
    assert not read_words(line).is_down


def test_reply_is_shown_as_an_agent_writes_it() -> None:
    assert str(read_words(b"maxconn:3, UP 5% maint#why not")) == "maint up 5% maxconn:3 #why not"


@given(st.binary(max_size=80) | st.lists(st.sampled_from([b"up", b"5%", b" ", b"#", b"\x1b", b"drain"])).map(b"".join))
def test_anything_is_read_and_shown_in_printable_ascii(line: bytes) -> None:
    reply = read_words(line)
    assert (str(reply) + "".join(reply.unknown)).isascii()
    assert (str(reply) + "".join(reply.unknown)).isprintable()


@given(
    st.builds(
        AgentReply,
        admin=st.sampled_from([None, "ready", "drain", "maint"]),
        health=st.sampled_from([None, "up", "down", "fail", "stopped"]),
        percent=st.none() | st.integers(0, 99999),
        maxconn=st.none() | st.integers(0, 10**9 - 1),
        reason=st.from_regex(r"\A(|[a-z]{1,5}( [a-z]{1,5}){0,3})\Z"),
    )
)
def test_what_is_shown_reads_as_the_same(reply: AgentReply) -> None:
    assert read_words(str(reply).encode()) == reply
