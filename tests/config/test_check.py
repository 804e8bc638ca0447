from ipaddress import IPv4Address
from typing import Any

import pytest

from mailproxy.config import Check, Server
from mailproxy.config.model import MailProtocol
from tests.config.builders import problem, problems, read

PROBE = {"type": "login", "user": "probe@example.org", "password-file": "probe"}
HTTP = {"type": "http", "url": "http://{host}:8080/"}
NOTHING = Check(type="none", has_first_look=False)


def server(**changes: object) -> Server:
    """The server d1 of a backend with `changes`."""
    return read(**{f"backend__dovecot__{key}": value for key, value in changes.items()}).backends["dovecot"].servers[0]


def check(values: object, **changes: object) -> Check:
    """How d1 is checked with ``check`` in the backend."""
    return server(check=values, **changes).check


def wrong(values: object, **changes: object) -> str:
    """The only problem with ``check`` in the backend, without the path of the backend."""
    found = problem(backend__dovecot__check=values, **{f"backend__dovecot__{key}": v for key, v in changes.items()})
    assert found.startswith("backend.dovecot.")
    return found.removeprefix("backend.dovecot.")


def test_without_a_table_there_are_no_checks() -> None:
    assert server().check == Check(type="none", has_first_look=True)


def test_empty_table_is_the_profiles_check() -> None:
    assert check({}) == Check(
        type="mail",
        inter=2.0,
        fastinter=None,
        downinter=None,
        timeout=None,
        jitter=10,
        rise=2,
        fall=3,
        header="local",
        tls=False,
    )


def test_intervals_and_numbers_of_a_check_are_read() -> None:
    found = check(
        {
            "inter": "5s",
            "fastinter": "500ms",
            "downinter": "1m",
            "timeout": "3s",
            "jitter": 0,
            "rise": 1,
            "fall": 1,
        }
    )
    assert (found.inter, found.fastinter, found.downinter, found.timeout) == (5.0, 0.5, 60.0, 3.0)
    assert (found.jitter, found.rise, found.fall) == (0, 1, 1)


def test_whole_check_has_its_timeout_or_else_the_interval() -> None:
    assert check({"inter": "5s"}).seconds == 5.0
    assert check({"inter": "5s", "timeout": "1s"}).seconds == 1.0


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"inter": 2}, 'check.inter: is the number 2, needs a string with a unit (ms, s, m, h, d) such as "30s"'),
        ({"jitter": 51}, "check.jitter: is 51, needs a whole number from 0 to 50"),
        ({"fall": 0}, "check.fall: is 0, needs a whole number from 1 to 1000"),
        ({"intr": "2s"}, 'check.intr: is not a key that mailproxy knows; did you mean "inter"?'),
        ({"address": "10.0.0.1:143"}, 'check.address: is "10.0.0.1:143", needs an address without a port such as '),
    ],
)
def test_wrong_value_is_refused_with_what_is_needed(values: object, complaint: str) -> None:
    assert wrong(values).startswith(complaint)


def test_unknown_type_names_the_nearest() -> None:
    assert wrong({"type": "male"}) == (
        'check.type: is "male", needs one of "none", "tcp", "mail", "login", "http", "agent"; did you mean "mail"?'
    )


def test_unknown_type_hides_what_follows_from_it() -> None:
    assert wrong({"type": "logn", "user": "probe"}).startswith("check.type: ")


def test_tables_are_merged_key_by_key() -> None:
    found = server(
        check={"inter": "5s", "rise": 4, "fall": 4},
        default_server={"check": {"rise": 5, "fall": 5}},
        server__d1__check={"fall": 6},
    ).check
    assert (found.inter, found.rise, found.fall) == (5.0, 5, 6)


def test_server_may_do_without_the_backends_check() -> None:
    assert server(check={"inter": "5s"}, server__d1__check={"type": "none"}).check == NOTHING


def test_server_may_have_the_only_check() -> None:
    assert server(server__d1__check={}).check.type == "mail"


def test_keys_that_another_type_left_are_no_part_of_it() -> None:
    found = server(check=PROBE, server__d1__check={"type": "tcp"}).check
    assert (found.type, found.user, found.password_file) == ("tcp", None, None)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"url": "http://a/"}, 'check.url: is for type = "http"; this check has "mail", which is the default'),
        ({"type": "tcp", "user": "x"}, 'check.user: is for type = "login"; this check has "tcp"'),
        (HTTP | {"port": 80}, 'check.port: is for type = "tcp", "mail", "login" or "agent"; this check has "http"'),
        ({"type": "mail", "send": "x"}, 'check.send: is for type = "agent"; this check has "mail"'),
        (
            {"type": "none", "rise": 2},
            'check.rise: is for type = "tcp", "mail", "login", "http" or "agent"; this check has "none"',
        ),
        (
            {"type": "agent", "port": 5, "check-header": "none"},
            'check.check-header: is for type = "tcp", "mail" or "login"; this check has "agent"',
        ),
    ],
)
def test_key_of_another_type_is_refused(values: object, complaint: str) -> None:
    assert wrong(values) == complaint


def test_key_of_another_type_is_refused_where_it_stands() -> None:
    assert wrong({"type": "mail"}, server__d1__check={"url": "http://a/"}) == (
        'server.d1.check.url: is for type = "http"; this check has "mail"'
    )


def test_what_is_wrong_for_every_server_is_reported_once() -> None:
    assert wrong({"type": "http"}, server__d2={"address": "10.0.0.2:143"}) == (
        'check.url: is missing: type = "http" needs an address such as "http://{host}:8080/health"'
    )


@pytest.mark.parametrize("protocol", ["imap", "pop3", "lmtp", "submission", "smtp", "managesieve"])
def test_check_is_the_protocols(protocol: MailProtocol) -> None:
    assert check(PROBE).type_for(protocol) == "login"


@pytest.mark.parametrize("values", [{}, PROBE])
def test_nothing_is_spoken_with_tcp(values: object) -> None:
    assert check(values).type_for("tcp") == "tcp"


def test_http_is_the_same_for_all() -> None:
    assert check(HTTP).type_for("tcp") == "http"


def test_settings_of_a_login_check_are_read() -> None:
    found = check(PROBE | {"mailbox": "INBOX"})
    assert (found.user, found.password_file, found.mailbox) == (
        "probe@example.org",
        "/etc/mailproxy/probe",
        "INBOX",
    )
    assert (found.header, found.inter, found.seconds) == ("proxy", 10.0, 10.0)


def test_login_at_dovecot_outlasts_its_penalty() -> None:
    assert check(PROBE, profile="dovecot").seconds == 20.0


@pytest.mark.parametrize("missing", ["user", "password-file"])
def test_login_needs_an_account(missing: str) -> None:
    assert wrong({key: value for key, value in PROBE.items() if key != missing}).startswith(
        f'check.{missing}: is missing: type = "login" needs '
    )


@pytest.mark.parametrize("name", ["", "Entwürfe", "a\r\nb"])
def test_mailbox_is_as_imap_has_it(name: str) -> None:
    assert "its name in printable ASCII as IMAP has it" in wrong(PROBE | {"mailbox": name})


def test_account_may_come_from_the_server() -> None:
    assert server(check={"type": "login", "user": "a"}, server__d1__check={"password-file": "/p"}).check.user == "a"


def test_every_key_of_an_http_check_is_read() -> None:
    found = check(
        HTTP
        | {
            "url": "https://{host}:8080/doveadm/v1?for={protocol}",
            "method": "POST",
            "headers": {"Content-Type": "application/json"},
            "body": '[["serviceStatus",{"service":["{protocol}-login"]},"t"]]',
            "authorization-file": "/etc/key",
            "status": [204, "2xx", "200-399", "302-302"],
            "json": {"/0/0": "doveadmResponse", "/0/1/0/limit": 5, "/ok": True, "/load": 0.5},
        }
    )
    assert found == Check(
        type="http",
        url="https://{host}:8080/doveadm/v1?for={protocol}",
        method="POST",
        headers={"Content-Type": "application/json"},
        body='[["serviceStatus",{"service":["{protocol}-login"]},"t"]]',
        authorization_file="/etc/key",
        status=(range(204, 205), range(200, 300), range(200, 400), range(302, 303)),
        json={"/0/0": "doveadmResponse", "/0/1/0/limit": 5, "/ok": True, "/load": 0.5},
        header="none",
        tls=False,
    )


def test_query_of_a_url_without_a_path_gets_one() -> None:
    assert check(HTTP | {"url": "http://{host}:8080?for=me?"}).url == "http://{host}:8080/?for=me?"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"url": "http://{hots}/"}, 'check.url: is "http://{hots}/", in which {hots} is not known; did you mean'),
        ({"url": "http://{}/"}, 'check.url: is "http://{}/", in which {} is not known; places are {host} and'),
        ({"url": "http://{host/"}, 'check.url: is "http://{host/", needs an address such as'),
        ({"url": "ftp://a/"}, 'check.url: is "ftp://a/", needs an address such as "http://{host}:8080/health"'),
        ({"url": "http:///a"}, 'check.url: is "http:///a", needs an address such as'),
        ({"url": "http://a:99999/"}, 'check.url: is "http://a:99999/", which is not an address: '),
        ({"url": "http://[::1/"}, 'check.url: is "http://[::1/", which is not an address: '),
        ({"url": "http://a/ b"}, 'check.url: is "http://a/ b", needs an address such as'),
        ({"url": "http://me:secret@a/"}, "check.url: has a user in it; credentials belong in authorization-file"),
        ({"method": "POTS"}, 'check.method: is "POTS", needs one of "GET", "HEAD", "OPTIONS", "POST", "PUT"'),
        ({"body": "x"}, 'check.body: needs method = "POST"; it is "GET"'),
        ({"method": "HEAD", "json": {"/a": 1}}, 'check.json: looks into the answer, and method = "HEAD" gets none'),
        ({"status": [99]}, 'check.status[0]: is the number 99, needs a status from 100 to 599, "2xx", or a range such'),
        ({"status": ["399-200"]}, 'check.status[0]: is the string "399-200", needs a status from 100 to 599'),
        ({"status": ["6xx"]}, 'check.status[0]: is the string "6xx", needs a status from 100 to 599'),
        ({"status": ["200,204"]}, 'check.status[0]: is the string "200,204", needs a status from 100 to 599'),
        ({"status": []}, "check.status: is an empty list, needs"),
        ({"headers": {"a b": "x"}}, 'check.headers."a b": is not a header name'),
        ({"headers": {"A": "x\ny"}}, 'check.headers.A: is "x\\ny", needs the value of a header'),
        ({"headers": {"Authorization": "x"}}, "check.headers.Authorization: belongs in the file of authorization-file"),
        ({"headers": {"Host": "x"}}, "check.headers.Host: is made from the url"),
        (
            {"headers": {"Accept-Encoding": "gzip"}},
            "check.headers.Accept-Encoding: asks for encodings that a check does not decode",
        ),
        ({"json": {"a": 1}}, 'check.json.a: is not a JSON pointer (RFC 6901): it must begin with a slash, as in "/a"'),
        ({"json": {"/~2": 1}}, 'check.json."/~2": is not a JSON pointer (RFC 6901): write ~0'),
        ({"json": {"/a": []}}, 'check.json."/a": is a list, needs the string, number or truth value'),
        ({"json": {"/a": float("nan")}}, 'check.json."/a": is nan, which JSON cannot say'),
    ],
)
def test_http_check_that_cannot_be_sent_is_refused(changes: dict[str, Any], complaint: str) -> None:
    assert wrong(HTTP | changes).startswith(complaint)


def test_agent_has_a_port_and_bytes_to_send() -> None:
    found = check({"type": "agent", "port": 9999, "send": "state\n"})
    assert (found.port, found.send, found.header) == (9999, "state\n", "none")


def test_agent_needs_a_port() -> None:
    assert wrong({"type": "agent"}) == 'check.port: is missing: type = "agent" needs the port that the agent listens on'


@pytest.mark.parametrize(
    ("send_proxy", "values", "header"),
    [
        ("v2-ssl", {}, "local"),
        ("v1", {"type": "tcp"}, "local"),
        ("none", {}, "none"),
        ("none", PROBE, "none"),
        ("v2", {"check-header": "proxy"}, "proxy"),
        ("v2", {"check-header": "none"}, "none"),
        ("v2", {"port": 143}, "none"),
        ("v2", {"address": "10.0.0.9"}, "none"),
        ("v2", {"port": 143, "check-header": "local"}, "local"),
    ],
)
def test_header_of_a_check_depends_on_send_proxy_and_its_place(send_proxy: str, values: object, header: str) -> None:
    assert check(values, send_proxy=send_proxy).header == header


def test_header_needs_a_server_that_takes_one() -> None:
    assert wrong({"check-header": "local"}, send_proxy="none") == (
        'check.check-header: is "local", and send-proxy = "none": no header is sent to the server'
    )


@pytest.mark.parametrize(
    ("values", "tls"),
    [({}, True), ({"check-tls": False}, False), ({"port": 143}, False), ({"port": 993, "check-tls": True}, True)],
)
def test_checks_speak_tls_as_the_server_does(values: object, tls: bool) -> None:
    assert check(values, server__d1__tls=True).tls is tls


def test_checks_over_tls_need_the_servers() -> None:
    assert wrong({"check-tls": True}) == "check.check-tls: needs the server's tls, which is missing"


def test_check_may_have_an_address_and_port_of_its_own() -> None:
    found = check({"type": "tcp", "port": 5001, "address": "10.0.0.9"})
    assert (found.port, found.address) == (5001, IPv4Address("10.0.0.9"))


SOCKET = {"d1": {"address": "/run/d1"}}


def test_socket_is_checked_where_it_is() -> None:
    assert check({}, server=SOCKET).type == "mail"


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"port": 143}, "check.address: is missing: the server, /run/d1, is a UNIX socket and has none"),
        ({"address": "10.0.0.1"}, "check.port: is missing: the server, /run/d1, is a UNIX socket and has none"),
        ({"type": "agent", "port": 1}, "check.address: is missing: the server, /run/d1, is a UNIX socket and has none"),
        (HTTP, "check.url: has {host} in it, and the server, /run/d1, is a UNIX socket"),
    ],
)
def test_socket_has_neither_address_nor_port(values: object, complaint: str) -> None:
    assert wrong(values, server=SOCKET) == complaint


POP3 = {"bind": ["0.0.0.0:995"], "protocol": "pop3", "backend": "dovecot"}


@pytest.mark.parametrize("values", [{"port": 143}, PROBE | {"port": 143}])
def test_port_speaks_one_protocol(values: object) -> None:
    (found,) = problems(frontend__pop3s=POP3, backend__dovecot__check=values)
    assert found.startswith(
        "backend.dovecot.server.d1.check.port: is 143, and frontend.imaps speaks imap and frontend."
    )


def test_port_that_is_only_opened_may_be_for_all() -> None:
    assert read(frontend__pop3s=POP3, backend__dovecot__check={"type": "tcp", "port": 5001})


def test_postscreen_has_time_for_its_greeting() -> None:
    """It waits for 6 s (postscreen_greet_wait)."""
    assert check({"type": "mail"}, profile="postfix").seconds == 10.0
    assert check({"type": "mail", "timeout": "3s"}, profile="postfix").seconds == 3.0
    assert check({"type": "tcp"}, profile="postfix").seconds == 2.0
