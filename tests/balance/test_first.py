"""The rule ``first`` and the number of attempts."""

import pytest

from mailproxy.balance.attempt import next_server
from mailproxy.balance.first import pick


def attempts(servers: str, retries: int) -> str:
    """Return the servers, one letter each, that a session tries when all of them fail."""
    tried: list[str] = []
    while (server := next_server(pick, servers, tried, retries)) is not None:
        tried.append(server)
    return "".join(tried)


def test_the_first_server_is_tried_first() -> None:
    assert pick("abc", "") == "a"


def test_failure_leads_to_the_next_server_in_order() -> None:
    assert attempts("abc", retries=2) == "abc"


def test_after_the_last_server_the_first_has_its_turn_again() -> None:
    assert attempts("ab", retries=3) == "abab"


def test_single_server_is_tried_again() -> None:
    assert attempts("a", retries=3) == "aaaa"


def test_without_retries_there_is_one_attempt() -> None:
    assert attempts("abc", retries=0) == "a"


def test_without_servers_there_is_no_attempt() -> None:
    assert attempts("", retries=3) == ""


def test_server_that_left_during_the_session_is_not_picked() -> None:
    assert pick("bc", "ab") == "c"


def test_server_that_came_during_the_session_goes_before_a_second_try() -> None:
    assert pick("abn", "ab") == "n"


def test_rule_without_servers_is_our_bug() -> None:
    with pytest.raises(ValueError, match="empty"):
        pick("", "")
