"""The sentences of `show info`, read again from the text of those that write them."""

from __future__ import annotations

from twisted.internet.task import Clock

from mailproxy.control.sentence import Sentence, read_broad, read_refused_list, read_worker_end, write_broad
from mailproxy.networks.list_file import UnusableList
from mailproxy.process.worker_ends import WorkerEnds


def test_broad_bans_are_read_as_written_with_a_colon_in_the_path() -> None:
    sentence = Sentence("list /a: b.txt", "bans 39 % of all IPv4 addresses; take some out")
    text = write_broad(sentence)
    assert text == "list /a: b.txt: bans 39 % of all IPv4 addresses; take some out"
    assert read_broad(text) == sentence


def test_reason_of_a_refused_list_may_have_a_colon() -> None:
    text = str(UnusableList("/a.txt", 0, "cannot be read: No such file or directory"))
    assert read_refused_list(text) == Sentence("list /a.txt", "cannot be read: No such file or directory")


def test_line_of_a_refused_list_belongs_to_the_subject() -> None:
    text = str(UnusableList("/a.txt", 3, "is no network"))
    assert read_refused_list(text) == Sentence("list /a.txt:3", "is no network")


def test_end_of_a_worker_is_about_that_worker() -> None:
    ends = WorkerEnds(Clock(), lambda: 0.0)
    ends.add(12, "was killed by SIGKILL")
    (text,) = ends.sentences({12})
    assert read_worker_end(text) == Sentence("worker 12", "was killed by SIGKILL at 00:00:00 UTC, and was replaced")
