"""Connections of each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mailproxy.tls import openssl
from tests.tls.connect import Connect


@pytest.fixture
def connect() -> Iterator[Connect]:
    made = Connect()
    yield made
    made.close()
    assert openssl.lib.ERR_get_error() == 0, "an error was left in OpenSSL's queue"
