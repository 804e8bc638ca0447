"""
The sentences about what a row of `show info` has, each with its subject apart.

A row has most of them as text. `mailproxy top` and the stats page show the subject apart; only this module knows how
the text is made of both.
"""

from __future__ import annotations

from attrs import frozen

from mailproxy.control.format import duration


@frozen
class Sentence:
    """What is said of one thing."""

    subject: str
    words: str


def write_broad(sentence: Sentence) -> str:
    """Write a sentence of ``bans_broad``; its words have no colon, unlike the path of a list."""
    return f"{sentence.subject}: {sentence.words}"


def read_broad(text: str) -> Sentence:
    """Read what `write_broad` has written."""
    subject, _, words = text.rpartition(": ")
    return Sentence(subject, words)


def read_refused_list(text: str) -> Sentence:
    """Read a sentence of ``lists_refused``: an `UnusableList` of `mailproxy.networks.list_file`."""
    path, _, reason = text.partition(": ")
    return Sentence(f"list {path}", reason)


def read_worker_end(text: str) -> Sentence:
    """Read a sentence of ``worker_ends``: one of `mailproxy.process.worker_ends`, which begins with ``worker 2``."""
    worker, number, words = text.split(" ", 2)
    return Sentence(f"{worker} {number}", words)


def write_replaced(process: int, left_s: float | None) -> Sentence:
    """Write what is to be known of a process that this one has replaced, whose sessions last `left_s` at most."""
    lasts = "" if left_s is None else f" for up to {duration(left_s)}"
    return Sentence(
        f"process {process}",
        f", which this one has replaced, still has its sessions{lasts}: they are not listed here, and neither kick nor "
        f"shutdown reaches them; `kill -TERM {process}` ends them",
    )
