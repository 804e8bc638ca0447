"""The totals of the last minutes."""

from __future__ import annotations

import pytest

from mailproxy.session.numbers import BYTES_IN, COUNTERS
from mailproxy.web.stats.samples import SAMPLES, SURGE_SECONDS, WINDOW, Samples
from tests.control.conftest import Make
from tests.running import Running


@pytest.fixture
def running(make: Make) -> Running:
    return make()


def test_rate_is_by_the_second_over_some_seconds(running: Running) -> None:
    samples = Samples(running.service, running.reactor)
    samples.start()
    running.reactor.advance(1)
    (frontend,) = running.service.frontends
    numbers = running.service.process_state.block(frontend.name).numbers
    numbers[COUNTERS["connections"]] += 10
    numbers[COUNTERS["handshake_errors"]] += 5
    numbers[BYTES_IN] += 1000
    running.reactor.advance(1)
    last = samples.taken[-1]
    assert (last.connections, last.errors, last.bytes_in, last.bytes_out) == (5, 2.5, 500, 0)
    running.reactor.pump([1] * (WINDOW + 1))
    assert samples.taken[-1].connections == 0


def test_refusals_are_by_the_second_and_frontend(running: Running) -> None:
    samples = Samples(running.service, running.reactor)
    samples.start()
    (frontend,) = running.service.frontends
    numbers = running.service.process_state.block(frontend.name).numbers
    numbers[COUNTERS["rejected"]] += 20
    numbers[COUNTERS["ruled_out"]] += 30
    running.reactor.pump([1] * 2)
    assert samples.taken[-1].refusals == 25
    running.reactor.pump([1] * (SURGE_SECONDS - 2))
    assert samples.refusals == {frontend.name: 5.0}
    running.reactor.advance(1)
    assert samples.refusals == {frontend.name: 0.0}


def test_sessions_are_those_of_the_moment(running: Running) -> None:
    samples = Samples(running.service, running.reactor)
    samples.start()
    running.relay()
    running.reactor.advance(1)
    assert samples.taken[-1].sessions == 1


def test_memory_is_bounded(running: Running) -> None:
    samples = Samples(running.service, running.reactor)
    samples.start()
    running.reactor.pump([1] * (SAMPLES + 10))
    assert len(samples.taken) == SAMPLES
    samples.stop()
    calls = len(running.reactor.calls)
    running.reactor.advance(2)
    assert len(running.reactor.calls) <= calls
    assert len(samples.taken) == SAMPLES
