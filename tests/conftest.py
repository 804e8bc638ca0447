"""What holds for every test."""

import gc
import importlib.metadata
import signal
from collections.abc import Iterator
from functools import cache

import pytest

from tests.examples import load_profile

load_profile()


def pytest_configure() -> None:
    """Collect no garbage while modules and tests come into being, which stay: it takes seconds."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Exempt modules and tests from later garbage collections, which each would take a tenth of a second more."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _versions_are_read_once() -> Iterator[None]:
    """Keep pytest from reading Twisted's metadata before each test, which takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.metadata, "version", cache(importlib.metadata.version))
        yield


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> Iterator[None]:
    """Restore the default of signals that a shell ignores for background jobs, so that started processes get them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
