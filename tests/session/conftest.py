"""The bench of each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mailproxy.config import ServerTls
from tests.session.bench import Bench, open_bench

MakeBench = Callable[..., Bench]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeBench]:
    """
    Make a bench with other settings.

    Bugs that were logged fail the test, unless it expects them; so do places that are not free behind the last session.
    """
    benches: list[Bench] = []
    with ExitStack() as open_ones:

        def bench(**settings: Any) -> Bench:
            benches.append(open_ones.enter_context(open_bench(tmp_path, **settings)))
            return benches[-1]

        yield bench
        for one in benches:
            assert one.expects_bugs or one.bugs() == []
            one.close()
            assert not any(one.taken)


@pytest.fixture(params=["clear", "tls", "tls-tls"])
def bench(request: pytest.FixtureRequest, make: MakeBench) -> Bench:
    """
    An IMAP frontend with one server and no PROXY header, without TLS, with TLS, and with TLS to the server as well.
    """
    server_tls = ServerTls(verify="none") if request.param == "tls-tls" else None
    return make(tls=request.param != "clear", server_tls=server_tls)
