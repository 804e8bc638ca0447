"""The encoding of messages."""

from __future__ import annotations

import os
import pickle
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from cryptography import x509

from mailproxy.process.encoding import decode, encode
from mailproxy.process.frame import Reader
from mailproxy.process.message import Answer, Missed
from mailproxy.transport.poller import Poller
from tests.tls.issue import issue


def test_certificates_and_times_are_messages() -> None:
    certificate = issue("mail.example.org").certificate
    value = (certificate, datetime.now(UTC), ip_address("::1"))
    data = encode(Answer(1, value))
    assert decode(data, is_trusted=True).value == value
    assert isinstance(decode(data, is_trusted=True).value[0], x509.Certificate)


def test_worker_can_send_values_and_call_nothing() -> None:
    missed = Missed("b", "imap", "d1", "refused", b"1234")
    assert decode(encode(missed), is_trusted=False) == missed
    for evil in (os.system, print, Reader, Poller):
        with pytest.raises(pickle.UnpicklingError):
            decode(pickle.dumps(Answer(1, evil)), is_trusted=False)


@pytest.mark.parametrize("data", [b"", b"no pickle", encode(Answer(1, "x"))[:-1], b"(imailproxy.nothing\nX\n."])
def test_bytes_that_are_no_message_are_not_allowed(data: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError):
        decode(data, is_trusted=False)
