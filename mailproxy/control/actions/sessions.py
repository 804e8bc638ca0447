"""Actions on sessions: their end."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from mailproxy.config.words import quoted
from mailproxy.control import questions
from mailproxy.control.actions.context import Context
from mailproxy.control.answer import Answer
from mailproxy.control.grammar import BadCommand
from mailproxy.control.session_filters import find_session


def shut_down(context: Context) -> Answer | Deferred[Answer]:
    """End a session, in the process that has it."""
    running, id = context.running, context.given["session"]
    session = find_session(running, id)
    if session is not None and session.termination is not None:
        raise BadCommand(f"session {quoted(id)} is already ending")

    def answer(answers: list[object]) -> Answer:
        if True not in answers:
            problem = f"there is no session {quoted(id)}; `show sessions` lists all sessions"
            raise BadCommand("; ".join(filter(None, (problem, context.not_reached))))
        return context.done(f"session {id} ends")

    if questions.shut_down(running, id):
        return answer([True])
    return context.ask_others(questions.ShutDown(id)).addCallback(answer)
