"""How the demo says why it ends."""

import errno

import pytest
from twisted.internet.error import CannotListenError

from mailproxy.commands.demo import _in_words
from mailproxy.demo.dovecot import DovecotError
from mailproxy.front.sockets import StartError

TAKEN = OSError(errno.EADDRINUSE, "Address already in use")


@pytest.mark.parametrize("error", [CannotListenError(None, 11143, TAKEN), StartError("127.0.0.1:10993: taken")])
def test_port_that_was_taken_meanwhile_can_be_avoided(error: Exception) -> None:
    assert _in_words(error) == f"{error}; choose other ports with --port BASE"


def test_other_errors_are_printed_without_advice() -> None:
    assert _in_words(DovecotError("dovecot is not installed")) == "dovecot is not installed"
