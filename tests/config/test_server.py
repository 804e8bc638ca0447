import pytest

from mailproxy.config import Check, NamedServer, Server, SrvServer, remarks
from mailproxy.config.model import NamedFile
from tests.config.builders import problem, problems, read


def servers(**changes: object) -> tuple[Server, ...]:
    return read(**{f"backend__dovecot__{key}": value for key, value in changes.items()}).backends["dovecot"].servers


def server(values: dict[str, object], **changes: object) -> Server:
    """The server d1 with `values` in its table."""
    (only,) = servers(server={"d1": {"address": "10.0.0.1:143"} | values}, **changes)
    return only


def wrong(values: dict[str, object], **changes: object) -> str:
    """The only problem, without the path of the backend."""
    found = problem(
        backend__dovecot__server={"d1": {"address": "10.0.0.1:143"} | values},
        **{f"backend__dovecot__{key}": value for key, value in changes.items()},
    )
    return found.removeprefix("backend.dovecot.")


def test_server_has_defaults() -> None:
    found = server({})
    assert found == Server(
        name="d1",
        address=found.address,
        count=1,
        weight=100,
        backup=False,
        maxconn=0,
        slowstart=0.0,
        state="ready",
        tls=None,
        check=Check(type="none"),
        init_state="up",
        observe="none",
        error_limit=10,
        on_error="fail-check",
        on_marked_down="none",
        on_marked_up="none",
        resolve_prefer="ipv6",
    )


def test_every_key_of_a_server_is_read() -> None:
    found = server(
        {
            "address": "imap.example.org:143",
            "weight": 256,
            "backup": False,
            "maxconn": 500,
            "slowstart": "30s",
            "state": "drain",
            "init-state": "fully-down",
            "observe": "connect",
            "error-limit": 5,
            "on-error": "mark-down",
            "on-marked-down": "shutdown-sessions",
            "on-marked-up": "shutdown-backup-sessions",
            "resolve-prefer": "ipv4",
        },
        check={},
    )
    assert (found.weight, found.backup, found.maxconn, found.slowstart, found.state) == (256, False, 500, 30.0, "drain")
    assert (found.init_state, found.observe, found.error_limit) == ("fully-down", "connect", 5)
    assert (found.on_error, found.on_marked_down) == ("mark-down", "shutdown-sessions")
    assert (found.on_marked_up, found.resolve_prefer) == ("shutdown-backup-sessions", "ipv4")


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"weight": 257}, "server.d1.weight: is 257, needs a whole number from 0 to 256"),
        ({"weight": -1}, "server.d1.weight: is -1, needs a whole number from 0 to 256"),
        ({"slowstart": "2d"}, 'server.d1.slowstart: is "2d", which is 172800 s; the most is "1d", 86400 s'),
        ({"state": "main"}, 'server.d1.state: is "main", needs one of "ready", "drain", "maint"; did you mean "maint"'),
        ({"wieght": 1}, 'server.d1.wieght: is not a key that mailproxy knows; did you mean "weight"?'),
    ],
)
def test_wrong_value_is_refused_with_what_is_needed(values: dict[str, object], complaint: str) -> None:
    assert wrong(values).startswith(complaint)


def test_slowstart_may_be_none() -> None:
    assert server({"slowstart": "0s"}, default_server={"slowstart": "30s"}).slowstart == 0.0


def test_default_server_is_for_what_a_server_does_not_say() -> None:
    found = server({"weight": 5}, default_server={"weight": 10, "maxconn": 20})
    assert (found.weight, found.maxconn) == (5, 20)


@pytest.mark.parametrize("key", ["address", "template"])
def test_default_server_has_no_address(key: str) -> None:
    assert wrong({}, default_server={key: "10.0.0.1"}) == (
        f"default-server.{key}: belongs to each server: [backend.NAME.server.NAME]"
    )


def test_problem_of_the_default_server_is_reported_once() -> None:
    assert problem(
        backend__dovecot__default_server={"weight": 500}, backend__dovecot__server__d2={"address": "10.0.0.2:1"}
    ) == ("backend.dovecot.default-server.weight: is 500, needs a whole number from 0 to 256")


def test_servers_with_checks_are_observed() -> None:
    assert server({}, check={}).observe == "connect"


def test_server_without_a_check_may_stand_among_observed_ones() -> None:
    assert server({"check": {"type": "none"}}, check={}, default_server={"observe": "connect"}).check.type == "none"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("observe", "connect"),
        ("error-limit", 5),
        ("on-error", "fastinter"),
        ("init-state", "down"),
        ("on-marked-down", "shutdown-sessions"),
        ("on-marked-up", "shutdown-backup-sessions"),
    ],
)
def test_without_checks_there_is_nothing_to_observe(key: str, value: object) -> None:
    expected = (
        f'{key}: is for health checks, and there are none: write check = {{ type = "mail" }} for the server or its '
        "backend"
    )
    assert wrong({key: value}) == f"server.d1.{expected}"
    assert wrong({}, default_server={key: value}) == f"default-server.{expected}"


def test_observing_nothing_needs_nothing() -> None:
    assert server({"observe": "none"}).observe == "none"


@pytest.mark.parametrize(("key", "value"), [("error-limit", 5), ("on-error", "fastinter")])
def test_errors_that_nobody_observes_have_no_effect(key: str, value: object) -> None:
    assert wrong({"observe": "none", key: value}, check={}) == (f'server.d1.{key}: has no effect with observe = "none"')


def test_backup_has_no_backups() -> None:
    assert wrong({"backup": True, "on-marked-up": "shutdown-backup-sessions"}, check={}) == (
        "server.d1.on-marked-up: is for servers that have backups; this one is a backup itself"
    )


def test_name_has_the_protocols_port() -> None:
    found = read(
        backend__dovecot__server={"d1": {"address": "imap.example.org"}}, backend__dovecot__ports={"imap": 10143}
    ).backends["dovecot"]
    assert found.address(found.servers[0], "imap") == NamedServer("imap.example.org", 10143)


def test_name_without_a_port_needs_the_protocols() -> None:
    assert "ports: has no imap, which frontend.imaps needs" in wrong({"address": "imap.example.org"})


def test_preferred_family_is_for_names() -> None:
    assert (
        wrong({"resolve-prefer": "ipv4"}) == "server.d1.resolve-prefer: is for host names; the address is 10.0.0.1:143"
    )


def test_service_has_16_slots_by_default() -> None:
    found = server({"address": "srv:_imap._tcp.example.org"})
    assert found.address == SrvServer("_imap._tcp.example.org")
    assert found.count == 16
    assert found.slots[::15] == ("d11", "d116")


def template(**values: object) -> Server:
    (only,) = servers(server={"d": {"template": values}})
    return only


def test_template_names_its_slots() -> None:
    found = template(count=3, name="imap.example.org:143")
    assert found.address == NamedServer("imap.example.org", 143)
    assert found.slots == ("d1", "d2", "d3")


def test_template_of_a_service_has_its_own_count() -> None:
    assert template(count=1, name="srv:_imap._tcp.example.org").slots == ("d1",)


def test_server_that_is_no_template_is_its_own_slot() -> None:
    assert server({}).slots == ("d1",)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"count": 3}, "template.name: is missing, needs a host name such as"),
        ({"name": "a.example:1"}, "template.count: is missing, needs a whole number from 1 to 1000"),
        ({"count": 0, "name": "a.example:1"}, "template.count: is 0, needs a whole number from 1 to 1000"),
        ({"count": 2, "name": "10.0.0.1:1"}, 'template.name: is "10.0.0.1:1", an address: that is one server'),
        ({"count": 2, "name": "/run/x"}, 'template.name: is "/run/x", an address: that is one server'),
    ],
)
def test_wrong_template_is_refused(values: dict[str, object], complaint: str) -> None:
    assert problem(backend__dovecot__server={"d": {"template": values}}).startswith(
        f"backend.dovecot.server.d.{complaint}"
    )


def test_template_is_instead_of_an_address() -> None:
    assert wrong({"template": {"count": 2, "name": "a.example:1"}}) == (
        "server.d1.template: is set beside address; a server has one of them"
    )


def test_template_makes_no_server_that_is_there() -> None:
    assert problem(
        backend__dovecot__server={
            "d1": {"address": "10.0.0.1:1"},
            "d": {"template": {"count": 2, "name": "a.example:1"}},
        }
    ) == ('backend.dovecot.server.d: makes a server "d1", as [backend.dovecot.server.d1] does; rename one of them')


def test_templates_make_no_server_twice() -> None:
    assert problem(
        backend__dovecot__server={
            "d": {"template": {"count": 12, "name": "a.example:1"}},
            "d1": {"template": {"count": 2, "name": "b.example:1"}},
        }
    ) == ('backend.dovecot.server.d1: makes a server "d11", as [backend.dovecot.server.d] does; rename one of them')


def test_service_is_of_one_protocol() -> None:
    (found,) = problems(
        backend__dovecot__server={"d1": {"address": "srv:_imap._tcp.example.org"}},
        frontend__pop3s={"bind": ["0.0.0.0:995"], "protocol": "pop3", "backend": "dovecot"},
    )
    assert found.startswith(
        'backend.dovecot.server.d1: is "srv:_imap._tcp.example.org", one service, and frontend.imaps speaks imap and '
        "frontend.pop3s speaks pop3; make a backend for each"
    )


def remarked(**changes: object) -> list[str]:
    found = remarks(read(**{f"backend__dovecot__{key}": value for key, value in changes.items()}))
    return [str(remark).removeprefix("backend.dovecot") for remark in found]


@pytest.mark.parametrize("values", [{"weight": 0}, {"state": "drain"}, {"state": "maint"}])
def test_backend_without_a_server_for_clients_is_remarked(values: dict[str, object]) -> None:
    assert remarked(default_server=values) == [": sends clients to no server: each has weight 0, or is not ready"]


@pytest.mark.parametrize(
    ("changes", "remark"),
    [
        ({"maxqueue": 5}, ".maxqueue: has no effect: no server has maxconn, so nobody waits"),
        ({"timeout__queue": "5s"}, ".timeout.queue: has no effect: no server has maxconn, so nobody waits"),
        ({"allbackups": True}, ".allbackups: has no effect: no server is a backup"),
    ],
)
def test_settings_without_what_they_are_for_are_remarked(changes: dict[str, object], remark: str) -> None:
    assert remarked(**changes) == [remark]


def test_settings_with_what_they_are_for_are_not_remarked() -> None:
    assert (
        remarked(maxqueue=5, timeout__queue="5s", allbackups=True, default_server={"maxconn": 5, "backup": True}) == []
    )


def test_login_that_a_protocol_does_not_have_is_remarked() -> None:
    config = read(
        backend__dovecot__check={"type": "login", "user": "a", "password-file": "/p"},
        frontend__lmtp={"bind": ["0.0.0.0:24"], "protocol": "lmtp", "tls": "none", "backend": "dovecot"},
    )
    assert [str(remark) for remark in remarks(config)] == [
        'backend.dovecot: has checks of type "login", and lmtp has no login: the check sends LHLO instead'
    ]


def test_files_are_named_once_each_by_its_key() -> None:
    config = read(
        backend__dovecot__check={"type": "login", "user": "a", "password-file": "probe"},
        backend__dovecot__default_server={"tls": {"ca": "/etc/ca.pem"}},
        backend__dovecot__server={
            "d1": {"address": "10.0.0.1:1"},
            "d2": {"address": "d2.example:1", "tls": {"certificate": "front.pem"}},
        },
    )
    assert config.backends["dovecot"].files == (
        NamedFile("backend.dovecot.check.password-file", "/etc/mailproxy/probe", "password"),
        NamedFile("backend.dovecot.default-server.tls.ca", "/etc/ca.pem", "authorities"),
        NamedFile("backend.dovecot.server.d2.tls.certificate", "/etc/mailproxy/front.pem", "certificate"),
    )


def test_stand_in_for_a_wrong_address_is_not_judged() -> None:
    (found,) = problems(
        backend__dovecot__server={"d1": {"address": "10.0.0.256"}},
        backend__dovecot__check={"port": 143},
    )
    assert found.startswith("backend.dovecot.server.d1.address: ")
