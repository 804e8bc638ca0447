"""Lines to a descriptor that may take none for a while."""

from __future__ import annotations

import errno
import os
import pty
import signal
import socket
import threading
import time
import tty
from collections.abc import Callable, Iterator
from fcntl import F_SETPIPE_SZ, fcntl

import pytest

from mailproxy.log.descriptor import WRITE_BYTES, DescriptorSink
from mailproxy.log.writer import COLLECT_SECONDS, QUEUE_BYTES, RETRY_SECONDS, LineWriter

LONG_ENOUGH = 20.0  # for what happens at once, on the slowest machine
LINE = 999 * b"x" + b"\n"
FULL = QUEUE_BYTES // len(LINE)


def notice(count: int, reason: str) -> bytes:
    return b"%d dropped: %b\n" % (count, reason.encode())


class Disk:
    """A descriptor that takes what it is allowed to, and remembers the pauses between."""

    def __init__(self) -> None:
        self.taken = bytearray()
        self.room = [WRITE_BYTES]
        """How much each write may take, the last one for ever: more than is offered is all of it, 0 is an error."""
        self.pauses: list[float] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.is_asked = threading.Event()

    def write(self, descriptor: int, data: bytes) -> int:
        self.is_asked.set()
        self.may_go_on.wait()
        room = self.room.pop(0) if len(self.room) > 1 else self.room[0]
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.taken += data[:room]
        return min(len(data), room)

    def writer(self) -> LineWriter:
        return LineWriter(DescriptorSink(-1, write=self.write), notice, sleep=self.pauses.append)

    def stalled_writer(self) -> LineWriter:
        """Return one that hangs in its first write, with one short line."""
        self.may_go_on.clear()
        writer = self.writer()
        writer.put(b"first\n")
        assert self.is_asked.wait(LONG_ENOUGH)
        return writer


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.may_go_on.set()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe that holds little."""
    reader, writer = os.pipe()
    fcntl(writer, F_SETPIPE_SZ, 4096)
    yield reader, writer
    for descriptor in (reader, writer):
        if descriptor >= 0:
            os.close(descriptor)


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG_ENOUGH
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def read(reader: int, size: int) -> bytes:
    """Read that many bytes, or up to the end."""
    data = b""
    while len(data) < size and (more := os.read(reader, 65536)):
        data += more
    return data


def test_lines_are_written_in_order(disk: Disk) -> None:
    writer = disk.writer()
    lines = [b"%d\n" % number for number in range(1000)]
    for line in lines:
        writer.put(line)
    assert writer.drain(LONG_ENOUGH)
    assert disk.taken == b"".join(lines)


def test_nothing_to_write_is_no_reason_to_wait(disk: Disk) -> None:
    assert disk.writer().drain(0.0)


def test_several_lines_are_one_write_of_no_more_than_a_pipe_takes_whole(disk: Disk) -> None:
    sizes: list[int] = []

    def write(descriptor: int, data: bytes) -> int:
        sizes.append(len(data))
        return disk.write(descriptor, data)

    disk.may_go_on.clear()
    writer = LineWriter(DescriptorSink(-1, write=write), notice)
    writer.put(LINE)
    assert disk.is_asked.wait(LONG_ENOUGH)
    for _ in range(9):
        writer.put(LINE)
    disk.may_go_on.set()
    assert writer.drain(LONG_ENOUGH)
    assert sizes == [1000, 4000, 4000, 1000]


def test_line_longer_than_that_is_written_as_well(disk: Disk) -> None:
    disk.room = [10 * WRITE_BYTES]
    writer = disk.writer()
    line = 3 * WRITE_BYTES * b"x" + b"\n"
    writer.put(line)
    writer.put(b"next\n")
    assert writer.drain(LONG_ENOUGH)
    assert disk.taken == line + b"next\n"


def test_line_longer_than_the_queue_is_written_when_nothing_else_waits(disk: Disk) -> None:
    writer = disk.writer()
    writer.put(QUEUE_BYTES * b"x" + b"\n")
    assert writer.drain(LONG_ENOUGH)
    assert len(disk.taken) == QUEUE_BYTES + 1


# A reader that stalls.


def pipe_of_default_size() -> tuple[int, int]:
    return os.pipe()


def journal() -> tuple[int, int]:
    """What journald gives a service for its standard output: a stream socket."""
    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return reader.detach(), writer.detach()


def terminal() -> tuple[int, int]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    return master, slave


@pytest.mark.parametrize("kind", [pipe_of_default_size, journal, terminal])
def test_stalled_reader_stops_nobody(kind: Callable[[], tuple[int, int]]) -> None:
    reader, descriptor = kind()
    writer = LineWriter(DescriptorSink(descriptor), notice)
    for _ in range(FULL - 1):
        writer.put(LINE)
    assert not writer.drain(0.01)
    assert read(reader, (FULL - 1) * len(LINE)) == (FULL - 1) * LINE
    assert writer.drain(LONG_ENOUGH)
    os.close(reader)
    os.close(descriptor)


def test_lines_beyond_the_bound_are_dropped_counted_and_reported(disk: Disk) -> None:
    writer = disk.stalled_writer()
    for _ in range(FULL + 100):
        writer.put(LINE)
    disk.may_go_on.set()
    assert writer.drain(LONG_ENOUGH)
    assert disk.taken == b"first\n" + FULL * LINE + b"100 dropped: standard output was blocked\n"


def test_dropped_lines_are_counted_before_and_after_the_notice(disk: Disk) -> None:
    writer = disk.stalled_writer()
    for _ in range(FULL + 100):
        writer.put(LINE)
    assert writer.lines_dropped == 100
    disk.may_go_on.set()
    assert writer.drain(LONG_ENOUGH)
    assert writer.lines_dropped == 100


def test_lines_that_are_left_at_the_end_are_dropped(disk: Disk) -> None:
    writer = disk.stalled_writer()
    disk.room = [0]
    writer.put(LINE)
    left: list[int] = []
    writer.retire(0.0, lambda count, reason: left.append(count))
    disk.may_go_on.set()
    wait_until(lambda: writer.is_over)
    assert (left, writer.lines_dropped) == ([2], 2)


def test_once_one_is_dropped_so_are_those_behind_it(disk: Disk) -> None:
    """Only lines from before the gap precede the line that reports the gap."""
    writer = disk.stalled_writer()
    writer.put(QUEUE_BYTES * b"x" + b"\n")
    writer.put(b"short\n")
    disk.may_go_on.set()
    assert writer.drain(LONG_ENOUGH)
    writer.put(b"last\n")
    assert writer.drain(LONG_ENOUGH)
    assert disk.taken == b"first\n2 dropped: standard output was blocked\nlast\n"


def test_waiting_for_a_stalled_reader_has_an_end(disk: Disk) -> None:
    assert not disk.stalled_writer().drain(0.01)


# Errors.


def test_full_disk_is_tried_again_and_loses_nothing(disk: Disk) -> None:
    disk.room = [0, 0, WRITE_BYTES]
    writer = disk.writer()
    writer.put(b"one\n")
    assert writer.drain(LONG_ENOUGH)
    assert disk.pauses == [COLLECT_SECONDS, RETRY_SECONDS, RETRY_SECONDS]
    assert disk.taken == b"one\n"


def test_line_that_failed_in_the_middle_is_written_again_on_a_line_of_its_own(disk: Disk) -> None:
    writer = disk.stalled_writer()
    disk.room = [6, 4 + 3, 0, 0, 1, 0, WRITE_BYTES]
    writer.put(b"one\n")
    writer.put(b"second\n")
    disk.may_go_on.set()
    assert writer.drain(LONG_ENOUGH)
    assert disk.taken == b"first\none\nsec\nsecond\n"


def test_line_that_is_taken_in_parts_continues_where_it_stopped(disk: Disk) -> None:
    disk.room = [2]
    writer = disk.writer()
    writer.put(b"in parts\n")
    assert writer.drain(LONG_ENOUGH)
    assert disk.taken == b"in parts\n"
    assert disk.pauses == [COLLECT_SECONDS]


def test_reader_that_has_gone_is_an_error_like_any_other() -> None:
    reader, descriptor = os.pipe()
    os.close(reader)
    is_paused, may_go_on = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        is_paused.set()
        may_go_on.wait()

    writer = LineWriter(DescriptorSink(descriptor), notice, sleep=sleep)
    writer.put(b"lost\n")
    assert is_paused.wait(LONG_ENOUGH)
    assert not writer.drain(0.0)
    # Another reader, for the thread's sake.
    reader, replacement = os.pipe()
    os.dup2(replacement, descriptor)
    may_go_on.set()
    assert read(reader, 5) == b"lost\n"
    assert writer.drain(LONG_ENOUGH)
    for each in (reader, replacement, descriptor):
        os.close(each)


def test_descriptor_that_somebody_made_non_blocking_is_waited_for(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    os.set_blocking(descriptor, False)
    pauses: list[float] = []
    writer = LineWriter(DescriptorSink(descriptor), notice, sleep=pauses.append)
    for _ in range(100):
        writer.put(LINE)
    assert not writer.drain(0.01)
    assert read(reader, 100 * len(LINE)) == 100 * LINE
    assert writer.drain(LONG_ENOUGH)
    assert set(pauses) == {COLLECT_SECONDS}


def test_descriptor_stays_blocking_for_those_who_share_it(pipe: tuple[int, int]) -> None:
    _, descriptor = pipe
    writer = LineWriter(DescriptorSink(descriptor), notice)
    writer.put(b"one\n")
    assert writer.drain(LONG_ENOUGH)
    assert os.get_blocking(descriptor)


# The process.


def test_thread_that_cannot_start_is_tried_again(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    writer = disk.writer()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        writer.put(b"one\n")
    writer.put(b"two\n")
    assert writer.drain(LONG_ENOUGH)
    assert disk.taken == b"one\ntwo\n"


def test_thread_takes_no_signals(disk: Disk) -> None:
    blocked: list[set[int]] = []

    def write(descriptor: int, data: bytes) -> int:
        blocked.append({int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())})
        return len(data)

    writer = LineWriter(DescriptorSink(-1, write=write), notice)
    writer.put(b"one\n")
    assert writer.drain(LONG_ENOUGH)
    assert {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1} <= blocked[0]


def test_lines_may_come_from_a_signal_handler_that_interrupts_another(disk: Disk) -> None:
    writer = disk.writer()
    interrupted = 0

    def interrupt(number: int, frame: object) -> None:
        nonlocal interrupted
        interrupted += 1
        writer.put(b"of the handler\n")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
    try:
        while interrupted < 1000:
            writer.put(b"interrupted\n")
            assert writer.drain(LONG_ENOUGH)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert writer.drain(LONG_ENOUGH)
    assert disk.taken.count(b"of the handler\n") == interrupted


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_child_writes_its_own_lines_and_none_of_the_parent_s(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writer = LineWriter(DescriptorSink(descriptor), notice)
    for _ in range(10):
        writer.put(LINE)
    child = os.fork()
    if not child:
        writer.put(b"of the child\n")
        os._exit(0 if writer.drain(LONG_ENOUGH) else 1)
    data = read(reader, 10 * len(LINE) + len(b"of the child\n"))
    assert os.waitpid(child, 0)[1] == 0
    assert data.count(b"x") == 10 * 999
    assert data.splitlines().count(b"of the child") == 1
