"""The context of an action: the service, the request, and the client that sent it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, frozen
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from mailproxy.control.answer import Answer
from mailproxy.control.grammar import Request
from mailproxy.control.questions import Ask, Question
from mailproxy.control.running import Running

_log = Logger(namespace="mailproxy")


@frozen
class Context:
    """One request in the running service."""

    running: Running
    request: Request
    given: Mapping[str, Any]
    """The values of the command's arguments, by name."""
    who: str
    """The client, in words for the log."""
    watchers: int
    """The number of clients that watch."""
    others: Sequence[Ask]
    """The other processes of the service."""

    def done(self, words: str, **more: Any) -> Answer:
        """Log what the command did, with the client, and return the answer; `more` is for its other fields."""
        _log.info("ctl: {words}, {who}", event="ctl", command=self.request.command.name, words=words, who=self.who)
        return Answer(words=words, **more)

    def done_here(self, words: str, **more: Any) -> Answer:
        """Do as `done`; the answer also says which sessions the command does not reach."""
        answer = self.done(words, **more)
        return evolve(answer, words="; ".join(filter(None, (answer.words, self.not_reached))))

    @property
    def not_reached(self) -> str:
        """A sentence about the sessions of a process that this one has replaced; empty if there are none."""
        predecessor = self.running.takeover_end.predecessor
        return "" if predecessor is None else predecessor.sentence

    def log_request(self) -> None:
        """Log the command, with the client, before it is carried out."""
        name = self.request.command.name
        _log.info("ctl: {command}, {who}", event="ctl", command=name, who=self.who)

    def ask_others(self, question: Question) -> Deferred[list[object]]:
        """Ask all other processes; the Deferred has the answers, without those of processes that have ended."""
        asked = [ask(question) for ask in self.others]
        return DeferredList(asked, consumeErrors=True).addCallback(
            lambda results: [answer for is_good, answer in results if is_good]
        )
