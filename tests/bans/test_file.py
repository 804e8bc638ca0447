"""The file of bans."""

import json
import os
import stat
from pathlib import Path

import pytest

from mailproxy.bans import file as module
from mailproxy.bans.ban import Ban
from mailproxy.bans.file import Moment, UnusableBans, keep_broken, read_bans, write_bans
from tests.bans.builders import ban

NOW = Moment(monotonic=1000.0, wall=1_800_000_000.0)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "bans.json")


def later(seconds: float, *, reboot: float = 0.0) -> Moment:
    """The moment `seconds` later; a reboot sets the monotonic clock back."""
    return Moment(NOW.monotonic + seconds - reboot, NOW.wall + seconds)


def read(path: str, now: Moment) -> list[Ban]:
    return list(read_bans(path, now))


def test_bans_come_back(path: str) -> None:
    bans = [
        ban("192.0.2.7", end=1060.0, made=900.0, reason='"quoted", ünïcode'),
        ban("2001:db8::/32", origin="crowdsec", made=1000.0),
    ]
    write_bans(path, bans, NOW)
    assert read(path, NOW) == bans


def test_bans_end_at_the_same_time_after_a_reboot(path: str) -> None:
    write_bans(path, [ban("192.0.2.7", end=1060.0)], NOW)
    (found,) = read(path, later(20.0, reboot=1010.0))
    assert found.end == 10.0 + 40.0


def test_ended_bans_are_neither_written_nor_read(path: str) -> None:
    write_bans(path, [ban("192.0.2.7", end=1010.0), ban("192.0.2.8", end=1000.0)], NOW)
    assert "192.0.2.8" not in Path(path).read_text()
    assert read(path, later(10.0)) == []


def test_clock_in_the_past_lengthens_no_ban(path: str) -> None:
    write_bans(path, [ban("192.0.2.7", end=1060.0, made=990.0)], NOW)
    (found,) = read(path, Moment(5.0, 0.0))
    assert (found.made, found.end) == (5.0, 65.0)


def test_missing_file_has_no_bans(path: str) -> None:
    assert read(path, NOW) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is not a file of bans: no '{' at character 0"),
        ("{}", "is not a file of bans: its version is not 1"),
        ('{"version": 2, "bans": []}', "is not a file of bans: its version is not 1"),
        ('{"version": 1, "bans": [{}]}', "is not a file of bans: 'origin' is missing"),
        ('{"version": 1, "bans": [7]}', "is not a file of bans: 'int' object is not subscriptable"),
        (
            '{"version": 1, "bans": [{"reason": "' + "x" * 65536 + '"}]}',
            "is not a file of bans: a ban has more than 65536 characters",
        ),
        ("\xff", "is not a file of bans: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        (
            '{"version": 1, "bans": [{"network": "x", "origin": "ctl", "reason": "", "since": "2026-11-21T00:00:00Z",'
            ' "until": null}]}',
            "is not a file of bans: 'x' does not appear to be an IPv4 or IPv6 network",
        ),
        (
            '{"version": 1, "bans": [{"network": "::1", "origin": "ctl", "reason": "", "since": "soon", '
            '"until": null}]}',
            "is not a file of bans: Invalid isoformat string: 'soon'",
        ),
    ],
)
def test_broken_file_is_explained(path: str, content: str, problem: str) -> None:
    Path(path).write_bytes(content.encode("latin-1"))
    with pytest.raises(UnusableBans) as error:
        read(path, NOW)
    assert str(error.value) == problem


def test_origin_with_a_name_of_a_program_is_kept(path: str) -> None:
    write_bans(path, [ban("192.0.2.7", origin="fail2ban")], NOW)
    assert [one.origin for one in read(path, NOW)] == ["fail2ban"]


def test_reason_is_made_fit_for_a_line_and_for_the_next_file(path: str) -> None:
    write_bans(path, [ban("192.0.2.7", reason="spam")], NOW)
    Path(path).write_text(Path(path).read_text().replace("spam", r"a\n\ud800"))
    (found,) = read(path, NOW)
    assert found.reason == r"a\n\ud800"
    write_bans(path, [found], NOW)


def test_cut_file_is_broken(path: str) -> None:
    write_bans(path, [ban("192.0.2.7"), ban("192.0.2.8")], NOW)
    whole = Path(path).read_bytes()
    for size in range(len(whole) - 2):
        Path(path).write_bytes(whole[:size])
        with pytest.raises(UnusableBans):
            read(path, NOW)


def test_fifo_is_not_waited_for(path: str) -> None:
    os.mkfifo(path)
    with pytest.raises(UnusableBans, match="is not a file"):
        read(path, NOW)


def test_file_has_a_limit(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bans(path, [ban("192.0.2.7")], NOW)
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    with pytest.raises(UnusableBans, match="has more than"):
        read(path, NOW)


def test_file_has_a_limit_of_bans(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bans(path, [ban("192.0.2.7"), ban("192.0.2.8")], NOW)
    monkeypatch.setattr(module, "MAX_BANS", 1)
    with pytest.raises(UnusableBans, match="it has more than 1 bans"):
        read(path, NOW)


def test_file_is_for_its_user_alone_and_is_json(path: str) -> None:
    write_bans(path, [ban("192.0.2.7")], NOW)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert json.loads(Path(path).read_text())["bans"][0] == {
        "network": "192.0.2.7",
        "origin": "ctl",
        "since": "2027-01-15T07:43:20Z",
        "until": None,
        "reason": "spam",
    }


def test_failure_keeps_the_former_file(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bans(path, [ban("192.0.2.7")], NOW)
    Path(path + ".new").write_text("left by a process that was killed")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            write_bans(path, [], NOW)
    assert [found.place for found in read(path, NOW)] == ["192.0.2.7"]
    assert os.listdir(os.path.dirname(path)) == ["bans.json"]


def test_broken_file_is_renamed(path: str) -> None:
    Path(path).write_text("broken")
    assert keep_broken(path) == path + ".broken"
    assert Path(path + ".broken").read_text() == "broken"
    assert read(path, NOW) == []
