"""Carries out each command in the running service, and makes its answer."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.checks.outcome import Outcome
from mailproxy.config import ConfigError
from mailproxy.config.words import listed, nearest, quoted
from mailproxy.control import observe, questions
from mailproxy.control.argument import Weight
from mailproxy.control.grammar import BadCommand, Request
from mailproxy.control.questions import Ask
from mailproxy.control.running import Running
from mailproxy.control.status import ChangeStatus, CheckStatus, SocketStatus, Status
from mailproxy.front.reload import HalfReloaded, Reloaded, ReloadRefused
from mailproxy.front.sockets import StartError
from mailproxy.session.counters import counted
from mailproxy.transport.bound import place_of

_log = Logger(namespace="mailproxy")


@frozen
class Answer:
    """The answer to a command: rows, and a message after them."""

    rows: Iterable[Status | Deferred[None] | None] = ()
    """
    None stands for an object that the filters exclude: looking at it takes time as well. After a Deferred, the next row
    is ready when it fires.
    """
    words: str = ""
    last: Callable[[], object] | None = None
    """Called when the answer is written and the connection is closed."""
    lost: Callable[[], object] | None = None
    """Called when the connection is closed, after `last`; further requests may come before."""
    sockets: Sequence[socket.socket] = ()
    """Sent as descriptors, one with each row."""


@frozen
class Live:
    """An answer without an end: the events from now on."""

    events: str


Given = Mapping[str, Any]
"""The values of a command's arguments, by name."""


class Answers:
    """Carries out the commands of all clients; a command that changes something is logged with the client, `who`."""

    def __init__(
        self, running: Running, watchers: Callable[[], int], others: Callable[[], Sequence[Ask]] = tuple
    ) -> None:
        """`watchers` returns the number of clients that watch; `others` returns the other processes of the service."""
        self._running = running
        self._others = others
        self._watchers = watchers
        self._taker = ""
        """The client that has the sockets and may say `leave`; empty: none."""

    def answer(self, request: Request, who: str) -> Answer | Live | Deferred[Answer]:
        """Carry out a request; raise `BadCommand` if that is not possible."""
        given = request.read()
        match request.command.name:
            case "watch":
                return Live(given.get("events", "all"))
            case name if name in _SHOWS:
                return Answer(_SHOWS[name](self._running, given))
            case "show sessions":
                return Answer(questions.sessions(self._running, self._others(), request.arguments))
            case "shutdown session":
                return self._shut_down(given["session"], who)
            case "drain server" | "drain frontend" as name:
                return self._drain_server(given, who) if name == "drain server" else self._drain_frontend(given, who)
            case "show info":
                return Answer([observe.info(self._running, self._watchers())])
            case "check now":
                return self._check_now(*given["server"])
            case "reload":
                _log.info("ctl: reload, {who}", event="ctl", command="reload", who=who)
                return self._running.reload().addCallbacks(_reloaded, _not_reloaded)
            case "hand over" | "leave" as name:
                answer = self._hand_over(who) if name == "hand over" else self._leave(given, who)
            case name:
                answer = _ACTIONS[name](self._running, given)
        self._say(request.command.name, answer.words, who)
        return answer

    def _hand_over(self, who: str) -> Answer:
        self._check_taker()
        if self._running.is_stopping:
            raise BadCommand("the service is already stopping, and has no listening sockets")
        if self._running.is_taking_over:
            raise BadCommand("the service is just taking over from another process; try again when that has left")
        sockets = self._running.listening
        rows = [SocketStatus(address=place_of(sock)) for sock in sockets]
        words = f"{counted(len(sockets), 'sockets')}; `leave` stops the service"
        self._taker = who
        return Answer(rows, words, lost=self._forget_taker, sockets=sockets)

    def _forget_taker(self) -> None:
        self._taker = ""

    def _check_taker(self, who: str = "") -> None:
        if self._taker not in ("", who):
            raise BadCommand(f"another process is just taking over: the sockets were sent on request {self._taker}")

    def _leave(self, given: Given, who: str) -> Answer:
        self._check_taker(who)
        if self._running.is_stopping:
            raise BadCommand("the service is already stopping")
        words = "the service leaves its sockets to another process"
        return Answer(words=words, last=partial(self._running.leave, **given))

    def _say(self, command: str, words: str, who: str) -> None:
        _log.info("ctl: {words}, {who}", event="ctl", command=command, words=words, who=who)

    def _shut_down(self, id: str, who: str) -> Answer | Deferred[Answer]:
        session = observe.find_session(self._running, id)
        if session is not None and session.termination is not None:
            raise BadCommand(f"session {quoted(id)} is already ending")

        def told(answers: list[object]) -> Answer:
            if True not in answers:
                raise BadCommand(f"there is no session {quoted(id)}; `show sessions` lists all sessions")
            words = f"session {id} ends"
            self._say("shutdown session", words, who)
            return Answer(words=words)

        if questions.shut_down(self._running, id):
            return told([True])
        return self._ask(questions.ShutDown(id)).addCallback(told)

    def _drain_frontend(self, given: Given, who: str) -> Deferred[Answer]:
        name = given["frontend"]
        _check_frontend(self._running, name)
        drains = self._running.drains
        live = drains.frontend(name, kick="kick" in given, spread=given.get("spread"))
        words = f"frontend {name} accepts no clients, {counted(live, 'sessions')} left"
        self._say("drain frontend", words, who)
        # Workers may accept some clients until then.
        return drains.drained(name).addCallback(lambda _: Answer(words=words))

    def _drain_server(self, given: Given, who: str) -> Deferred[Answer]:
        backend, server = given["server"]
        kick, spread = "kick" in given, given.get("spread")
        find_servers(self._running, backend, server)
        here = self._running.drains.server(backend, server, kick=kick, spread=spread)

        def told(answers: list[object]) -> Answer:
            live = here + sum(answer for answer in answers if isinstance(answer, int))
            words = f"server {backend}/{server} gets no new sessions, {counted(live, 'sessions')} left"
            self._say("drain server", words, who)
            return Answer(words=words)

        return self._ask(questions.Kick(backend, server, kick, spread)).addCallback(told)

    def _ask(self, question: questions.Question) -> Deferred[list[object]]:
        """Ask all other processes; the Deferred has the answers, without those of processes that have ended."""
        asked = [ask(question) for ask in self._others()]
        return DeferredList(asked, consumeErrors=True).addCallback(
            lambda results: [answer for is_good, answer in results if is_good]
        )

    def _check_now(self, backend: str, server: str) -> Deferred[Answer]:
        monitoring = self._running.generation.monitoring
        if monitoring is None:
            raise BadCommand("the service is stopping, and checks no servers")
        found = find_servers(self._running, backend, server)
        waiting = len(found)
        rows: list[CheckStatus] = []
        done: Deferred[Answer] = Deferred()

        def told(of: Backend, outcome: Outcome | None) -> None:
            nonlocal waiting
            waiting -= 1
            ok, says, took = (False, "no result: the configuration was reloaded", 0.0)
            if outcome is not None:
                ok, says, took = outcome.ok, outcome.reason, outcome.seconds
            rows.append(
                CheckStatus(
                    backend=backend, protocol=of.protocol, server=server, ok=ok, says=says, took_s=round(took, 6)
                )
            )
            if not waiting:
                done.callback(Answer(rows))

        for of, one in found:
            monitor = monitoring.monitors[of.name, of.protocol]
            if problem := monitor.check_now(one, partial(told, of)):
                raise BadCommand(f"server {backend}/{server} {problem}")
        return done


def _reloaded(reloaded: Reloaded) -> Answer:
    changes = [
        ChangeStatus(change=str(difference), needs_restart=difference.needs_restart)
        for difference in reloaded.differences
    ]
    warnings = [ChangeStatus(change=warning, is_warning=True) for warning in reloaded.warnings]
    words = f"reloaded, with {counted(len(changes), 'changes')}" if changes else "reloaded, and nothing has changed"
    return Answer([*changes, *warnings], words)


def _not_reloaded(failure: Failure) -> Answer:
    if failure.check(ConfigError, StartError, ReloadRefused, HalfReloaded) is None:
        failure.raiseException()
    raise BadCommand(str(failure.value))


def find_servers(running: Running, backend: str, server: str) -> list[tuple[Backend, BackendServer]]:
    """Return the servers with this name, one for each protocol; raise `BadCommand` if there is none."""
    of_name = [made for made in running.generation.backends.values() if made.name == backend]
    if not of_name:
        names = {made.name for made in running.generation.backends.values()}
        raise BadCommand(f"there is no backend {quoted(backend)} in use{_hint(backend, names)}")
    found = [(made, one) for made in of_name for one in made.pool.servers if one.name == server]
    if not found:
        names = {one.name for made in of_name for one in made.pool.servers}
        raise BadCommand(f"backend {quoted(backend)} has no server {quoted(server)}{_hint(server, names)}")
    return found


def _hint(name: str, names: set[str]) -> str:
    meant = nearest(name, names)
    return f"; did you mean {quoted(meant)}?" if meant else f"; there is {listed(sorted(names))}"


def _everywhere(running: Running, backend: str, server: str) -> Iterator[tuple[Backend, BackendServer]]:
    """Yield a server in each generation: sessions of an earlier generation may still connect to it."""
    for generation in running.generation.readings:
        for made in generation.backends.values():
            if made.name == backend:
                yield from ((made, one) for one in made.pool.servers if one.name == server)


def _set_state(running: Running, given: Given) -> Answer:
    backend, server = given["server"]
    state = given["state"]
    now = running.loop.poller.look_at_clock()
    first = find_servers(running, backend, server)[0][1]
    before = first.state
    running.process_state.overrides.set_state(backend, first, state)
    for made, one in _everywhere(running, backend, server):
        made.pool.set_state(one, state, now, "by hand")
    return Answer(words=f"server {backend}/{server}: state {before} -> {state}")


def _set_weight(running: Running, given: Given) -> Answer:
    backend, server = given["server"]
    weight: Weight = given["weight"]
    now = running.loop.poller.look_at_clock()
    first = find_servers(running, backend, server)[0][1]
    before = first.asked_weight
    after = weight.of(first.weight)
    running.process_state.overrides.set_weight(backend, first, after)
    for made, one in _everywhere(running, backend, server):
        made.pool.set_weight(one, after, now, "by hand")
    return Answer(words=f"server {backend}/{server}: weight {before:g} -> {after:g}")


def _enable_frontend(running: Running, given: Given) -> Answer:
    name = given["frontend"]
    _check_frontend(running, name)
    try:
        running.drains.frontend_ready(name)
    except StartError as error:
        raise BadCommand(str(error)) from None
    return Answer(words=f"frontend {name} accepts clients")


def _check_frontend(running: Running, name: str) -> None:
    names = {frontend.name for frontend in running.generation.frontends}
    if name not in names:
        raise BadCommand(f"there is no frontend {quoted(name)}{_hint(name, names)}")


def _stop(running: Running, given: Given) -> Answer:
    words = "the sessions that are left end now" if running.is_stopping else "the service stops"
    return Answer(words=words, last=running.stop)


def _drain(running: Running, given: Given) -> Answer:
    if running.is_stopping:
        raise BadCommand("the service is already stopping; `stop` ends its sessions at once")
    return Answer(words="the service stops", last=partial(running.drain, **given))


_SHOWS: Mapping[str, Callable[[Running, Given], Iterable[Status | None]]] = {
    "show frontends": lambda running, given: observe.frontends(running),
    "show backends": lambda running, given: observe.backends(running),
    "show servers": lambda running, given: observe.servers(running),
    "show certificates": lambda running, given: observe.certificates(running),
    "show config": lambda running, given: [observe.configuration(running)],
}

_ACTIONS: Mapping[str, Callable[[Running, Given], Answer]] = {
    "set server state": _set_state,
    "set server weight": _set_weight,
    "enable frontend": _enable_frontend,
    "drain": _drain,
    "stop": _stop,
}
