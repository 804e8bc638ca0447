"""Packet traces: what a client and we say to each other, line by line."""

from mailproxy.mail.dialogue import Dialogue, Settings, open_dialogue
from mailproxy.mail.limits import Limits
from mailproxy.mail.step import Step

HOST = b"mx.test"


def dialogue(
    protocol: str,
    *,
    capabilities: tuple[bytes, ...] | None = None,
    optional: bool = False,
    limits: Limits | None = None,
) -> Dialogue:
    """A new dialogue."""
    return open_dialogue(protocol, Settings(host=HOST, capabilities=capabilities, optional=optional, limits=limits))


def trace(talk: Dialogue, text: str) -> Step:
    """
    Play a trace: ``C: `` says a line and ``S: `` expects one, all of a reply and nothing else; returns the last step.

    A trace begins with our greeting, or with ``C: ``.
    """
    step = Step()
    lines = [line.lstrip() for line in text.splitlines() if line.strip()]
    received = talk.greeting() if lines[0].startswith("S: ") else b""
    for line in lines:
        sent = line[3:].encode("utf-8") + b"\r\n"
        if line.startswith("C: "):
            assert received == b"", "more was said than the trace has"
            step = talk.receive(sent)
            received = step.reply
        else:
            assert received[: len(sent)] == sent
            received = received[len(sent) :]
    assert received == b"", "more was said than the trace has"
    return step
