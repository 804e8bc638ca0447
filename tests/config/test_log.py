"""The keys of the log, and targets."""

from ipaddress import ip_address

import pytest

from mailproxy.config import Config, ConfigError, FrontendLog, Log, parse, remarks
from mailproxy.config.difference import differences
from mailproxy.config.target import Journal, LogFile, LogTarget, Stdout, SyslogPeer, SyslogSocket

FRONTEND = """
[frontend.imap]
bind = ["127.0.0.1:143"]
protocol = "imap"
tls = "none"
backend = "b"

[backend.b.server.d1]
address = "10.0.0.1:143"
"""


def read(log: str, more: str = "") -> Config:
    return parse(f"[log]\n{log}\n{FRONTEND}{more}", "/etc/mailproxy")


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("stdout", Stdout()),
        ("/var/log/mail proxy.log", LogFile("/var/log/mail proxy.log")),
        ("journal", Journal("/run/systemd/journal/socket")),
        ("journal:/run/systemd/journal.mail/socket", Journal("/run/systemd/journal.mail/socket")),
        ("syslog", SyslogSocket("/dev/log")),
        ("syslog:/run/log", SyslogSocket("/run/log")),
        ("syslog:udp:192.0.2.1:1514", SyslogPeer("udp", ip_address("192.0.2.1"), 1514)),
        ("syslog:tcp:[2001:db8::1]:601", SyslogPeer("tcp", ip_address("2001:db8::1"), 601)),
    ],
)
def test_target_is_written_as_it_is_read(text: str, target: LogTarget) -> None:
    assert read(f'target = "{text}"').log.target == target
    assert str(target) == text


def test_port_of_syslog_is_514() -> None:
    assert str(read('target = "syslog:udp:192.0.2.1"').log.target) == "syslog:udp:192.0.2.1:514"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sydlog", 'is "sydlog", needs "stdout", .*; did you mean "syslog"'),
        ("log.txt", 'is "log.txt", needs "stdout".*"/var/log/mailproxy/mailproxy.log"'),
        ("/var/log/", "needs the path of a file"),
        ("journal:relative", "needs"),
        ("syslog:192.0.2.1:514", 'needs .*"syslog:udp:192.0.2.1:514"'),
        ("syslog:udp:", r'is "", needs an address such as "192\.0\.2\.1:514"'),
        ("syslog:udp:log.example.org:514", "is not an IP address"),
        ("syslog:tcp:192.0.2.1:0", "port 0 cannot be connected to"),
        ("syslog:/" + 110 * "x", "a UNIX socket's path has at most 107"),
    ],
)
def test_target_that_is_none_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=rf"log\.target: .*{words}"):
        read(f'target = "{text}"')


def test_frontend_has_what_it_says_and_the_rest_of_all() -> None:
    config = read('target = "journal"\nformat = "json"', '[frontend.imap.log]\nlevel = "warn"\n')
    assert config.frontends[0].log == FrontendLog(level="warn")
    assert config.frontend_logs == {"imap": Log("json", "warn", Journal(), "mail")}


@pytest.mark.parametrize("more", ["", '[frontend.imap.log]\nformat = "text"\n'])
def test_frontend_that_says_nothing_else_has_no_log_of_its_own(more: str) -> None:
    assert read("", more).frontend_logs == {}


def test_change_is_reported() -> None:
    before = read("", '[frontend.imap.log]\ntarget = "syslog"\n')
    after = read('target = "/var/log/m"', '[frontend.imap.log]\nlevel = "warn"\n')
    assert list(map(str, differences(before, after))) == [
        "~ log: target stdout -> /var/log/m",
        "~ frontend imap: log.level none -> warn, log.target syslog -> none",
    ]


def test_facility_without_syslog_is_remarked() -> None:
    config = read('facility = "local0"', '[frontend.imap.log]\nfacility = "user"\n')
    assert list(map(str, remarks(config))) == [
        "log.facility: has no effect: no target is syslog or the journal",
        'frontend.imap.log.facility: has no effect: the target is "stdout", not syslog or the journal',
    ]


def test_facility_of_all_is_for_frontends_too() -> None:
    assert remarks(read('facility = "local0"', '[frontend.imap.log]\ntarget = "syslog"\n')) == ()
