"""What administrators want of servers by hand, from one reading of the configuration to the next."""

from __future__ import annotations

from typing import Any

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.backend.wishes import Wishes
from tests.backend.test_backend import server


def settings(*servers: config.Server) -> config.Backend:
    return config.Backend(name="dovecot", send_proxy="none", servers=servers)


def first(wishes: Wishes, protocol: str = "imap", **changes: Any) -> BackendServer:
    """The server of a new backend, as for a protocol that it did not have before."""
    return Backend(settings(server(**changes)), protocol, wishes=wishes).pool.servers[0]


def test_server_without_a_wish_begins_as_configured() -> None:
    made = first(Wishes(), state="drain", weight=7)
    assert (made.state, made.asked_weight, made.share) == ("drain", 7, 0)


def test_server_begins_as_is_wanted_of_it_in_another_protocol() -> None:
    wishes = Wishes()
    made = first(wishes)
    wishes.set_state("dovecot", made, "maint")
    wishes.set_weight("dovecot", made, 5)
    pop3 = first(wishes, "pop3")
    assert (pop3.state, pop3.asked_weight, pop3.is_usable) == ("maint", 5, False)


def test_wish_about_another_server_is_none_about_this() -> None:
    wishes = Wishes()
    wishes.set_state("dovecot", first(wishes, name="d2"), "maint")
    wishes.set_state("exim", first(wishes), "maint")
    assert first(wishes).state == "ready"


def test_value_that_changes_in_the_configuration_wins_over_its_wish_alone() -> None:
    wishes = Wishes()
    made = first(wishes)
    wishes.set_state("dovecot", made, "maint")
    wishes.set_weight("dovecot", made, 5)
    after = first(wishes, weight=50)
    assert (after.state, after.asked_weight) == ("maint", 50)


def test_wish_lives_while_the_configuration_has_the_server_as_it_was() -> None:
    wishes = Wishes()
    wishes.set_state("dovecot", first(wishes), "drain")
    wishes.keep({"dovecot": settings(server(maxconn=3))})
    assert first(wishes).state == "drain"


def test_wish_goes_with_the_server() -> None:
    wishes = Wishes()
    wishes.set_state("dovecot", first(wishes), "drain")
    wishes.keep({"dovecot": settings(server("other"))})
    assert first(wishes).state == "ready"


def test_wish_that_the_configuration_went_against_does_not_come_back() -> None:
    wishes = Wishes()
    wishes.set_state("dovecot", first(wishes), "drain")
    wishes.keep({"dovecot": settings(server(state="maint"))})
    wishes.keep({"dovecot": settings(server())})
    assert first(wishes).state == "ready"
