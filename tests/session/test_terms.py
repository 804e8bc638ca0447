"""The terms that a session keeps from accept to close, whatever its frontend gets meanwhile."""

from __future__ import annotations

from attrs import evolve

from mailproxy.config import FrontendTimeouts
from tests.session.conftest import MakeBench


def test_what_is_learned_is_for_later_sessions(make: MakeBench) -> None:
    bench = make(tls=True, mode="starttls")
    bench.client()
    bench.settle()
    (first,) = bench.frontend.sessions
    bench.frontend.learn((b"IDLE",))
    bench.client()
    bench.settle()
    (second,) = set(bench.frontend.sessions) - {first}
    assert first.terms.dialogue is not None
    assert second.terms.dialogue is not None
    assert (first.terms.dialogue.capabilities, second.terms.dialogue.capabilities) == (None, (b"IDLE",))


def test_terms_do_not_change_under_a_session(make: MakeBench) -> None:
    bench = make()
    client, server = bench.relay()
    (session,) = bench.frontend.sessions
    before = bench.frontend.terms
    bench.frontend.terms = evolve(before, timeout=FrontendTimeouts(client=1.0, server=1.0))
    assert session.terms is before
    bench.advance(2.0)
    assert not client.fin
    assert not server.fin


def test_backend_is_taken_at_the_dial_and_kept(make: MakeBench) -> None:
    bench = make(tls=True)
    client = bench.client()
    bench.settle()
    (session,) = bench.frontend.sessions
    assert session.backend is None
    client.break_off()
    bench.over()
    bench.relay()
    (session,) = bench.frontend.sessions
    assert session.backend is bench.frontend.terms.backend
