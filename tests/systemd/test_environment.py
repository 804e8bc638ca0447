"""What systemd says in the environment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.systemd.environment import UNKNOWN_NAME, descriptor_names, notify_address, watchdog_seconds

PID = 4711
NAMES = st.lists(st.from_regex("[!-9;-~]{1,20}", fullmatch=True), min_size=1, max_size=20)
ANYTHING = st.dictionaries(
    st.sampled_from(["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"]),
    st.one_of(st.text(), st.integers().map(str), st.just(str(PID))),
)


def handed(count: object, names: str | None = None, pid: int = PID) -> dict[str, str]:
    environment = {"LISTEN_PID": str(pid), "LISTEN_FDS": str(count)}
    return environment if names is None else environment | {"LISTEN_FDNAMES": names}


@given(NAMES)
def test_each_descriptor_has_its_name(names: list[str]) -> None:
    assert descriptor_names(handed(len(names), ":".join(names)), PID) == tuple(names)


@given(NAMES)
def test_descriptors_of_another_process_are_not_ours(names: list[str]) -> None:
    assert descriptor_names(handed(len(names), ":".join(names), PID + 1), PID) == ()


@pytest.mark.parametrize("names", [None, "", "imaps", "imaps:pop3s:lmtp", "imaps:"])
def test_names_that_do_not_fit_are_unknown(names: str | None) -> None:
    assert descriptor_names(handed(2, names), PID) == (UNKNOWN_NAME, UNKNOWN_NAME)


@pytest.mark.parametrize("count", ["0", "-1", "", "two", "65537", "1" * 40, "²"])
def test_number_that_is_none_hands_over_nothing(count: str) -> None:
    assert descriptor_names(handed(count), PID) == ()


@given(ANYTHING)
def test_nothing_in_the_environment_is_an_error(environment: dict[str, str]) -> None:
    descriptor_names(environment, PID)
    notify_address(environment)
    watchdog_seconds(environment, PID)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("/run/systemd/notify", b"/run/systemd/notify"),
        ("@/org/freedesktop/systemd1/notify", b"\0/org/freedesktop/systemd1/notify"),
        ("", None),
        ("@", None),
        ("/", None),
        ("vsock:2:1234", None),
        ("relative/notify", None),
    ],
)
def test_address_for_messages_is_a_path_or_an_abstract_name(name: str, address: bytes | None) -> None:
    assert notify_address({"NOTIFY_SOCKET": name}) == address


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PID)}, 30.0),
        ({"WATCHDOG_USEC": "500000"}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "x"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_watchdog_has_its_time_if_it_is_for_this_process(environment: dict[str, str], seconds: float | None) -> None:
    assert watchdog_seconds(environment, PID) == seconds
