import errno
import json
import os
import resource
import socket
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailproxy.commands import check
from mailproxy.control.compare import Comparison
from mailproxy.transport.binding import bind_inet
from mailproxy.transport.bound import Bound
from tests.control.service import DONE, Playback
from tests.tls.issue import issue, revocation_list, rsa_key

ROOT = Path(__file__).parents[2]

SMALLEST = """
tls.default.certificates = ["mail.pem"]
frontend.imaps.bind = ["0.0.0.0:993", "[::]:993"]
frontend.imaps.protocol = "imap"
frontend.imaps.backend = "dovecot"
backend.dovecot.ports.imap = 10143
backend.dovecot.server.d1.address = "10.41.1.131"
backend.dovecot.server.d2.address = "/run/d2"
"""


@pytest.fixture(autouse=True)
def _private_files() -> Iterator[None]:
    """Files that a test writes are not readable by others."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration that is good, with its certificate."""
    (tmp_path / "mail.pem").write_bytes(issue("mail.example.org", "imap.example.org").pem)
    file = tmp_path / "mailproxy.toml"
    file.write_text(SMALLEST)
    return file


def anywhere(family: socket.AddressFamily, host: str, port: int) -> Bound:
    """Listen on a free port: another program may have the one that is asked for, if only for a moment."""
    return bind_inet(family, host, 0)


def run(file: Path, bind: check.Bind = anywhere) -> int:
    parser = ArgumentParser()
    check.configure(parser)
    return check.run(parser.parse_args(["-c", str(file)]), bind)


def test_good_configuration_is_summed_up(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(file) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[:2] == [
        f"{file}: good",
        "frontend imaps: imap on 0.0.0.0:993, [::]:993, implicit TLS, profile default; "
        "backend dovecot, leastconn: d1 10.41.1.131:10143, d2 /run/d2; send-proxy v2-ssl",
    ]
    assert out.splitlines()[2].startswith(
        f"tls default: {file.parent}/mail.pem: mail.example.org, imap.example.org; EC256; 30 days left, until 20"
    )
    assert err == ""


def test_file_may_stand_alone(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    check.configure(parser)
    assert check.run(parser.parse_args([str(file)])) == 0
    assert capsys.readouterr().out.startswith(f"{file}: good\n")


def test_address_that_is_in_use_is_a_remark(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        file.write_text(SMALLEST.replace('"0.0.0.0:993", "[::]:993"', f'"{where}"'))
        assert run(file, bind_inet) == 0
    assert (
        capsys.readouterr().err
        == f"warning: frontend.imaps.bind: {where} is in use; by mailproxy, if it runs already\n"
    )


def test_address_that_this_machine_lacks_is_a_problem(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`mailproxy run` could not start either."""
    file.write_text(SMALLEST.replace('"0.0.0.0:993", "[::]:993"', '"192.0.2.1:993"'))
    assert run(file, bind_inet) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"{file}: frontend.imaps.bind: 192.0.2.1:993 cannot be listened on: Cannot assign requested address\n"
    )


def test_port_that_is_not_for_this_user_is_not_tried(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def forbidden(*_: object) -> socket.socket:
        raise PermissionError(errno.EACCES, "Permission denied")

    assert run(file, forbidden) == 0
    assert "[::]:993 was not tried: this user may not listen on port 993" in capsys.readouterr().err


def test_unix_socket_is_left_to_who_has_it(file: Path) -> None:
    path = file.parent / "front.sock"
    file.write_text(SMALLEST.replace('"0.0.0.0:993", "[::]:993"', f'"{path}"'))
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(path))
        taken.listen()
        assert run(file) == 0
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


@pytest.mark.parametrize("is_folder", [False, True])
def test_key_that_everybody_can_read_is_a_warning(
    file: Path, capsys: pytest.CaptureFixture[str], is_folder: bool
) -> None:
    key = file.parent / "mail.pem"
    if is_folder:
        issued = issue("a")
        (file.parent / "live").mkdir()
        (file.parent / "live" / "fullchain.pem").write_bytes(issued.certificate_pem)
        key = file.parent / "live" / "privkey.pem"
        key.write_bytes(issued.pem[: issued.pem.index(b"-----BEGIN CERTIFICATE")] or issued.pem)
        file.write_text(SMALLEST.replace('"mail.pem"', '"live/"'))
    key.chmod(0o644)
    assert run(file) == 0
    assert capsys.readouterr().err == (
        f"warning: {key}: can be read by every user of this machine (mode 0644); "
        "make it unreadable for others: chmod o=\n"
    )


def test_default_file_is_the_services() -> None:
    parser = ArgumentParser()
    check.configure(parser)
    assert parser.parse_args([]).config == "/etc/mailproxy/mailproxy.toml"


def test_every_problem_is_on_stderr(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(SMALLEST.replace('"imap"', '"imaps"') + "foo = 1\n")
    assert run(file) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == f"{file}: 2 problems"
    assert [line.partition(":")[0] for line in err.splitlines()[1:]] == ["frontend.imaps.protocol", "foo"]


def test_certificates_are_read(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file.parent / "mail.pem").write_bytes(issue("a").certificate_pem)
    file.write_text(SMALLEST + 'tls.default.client-ca = "none.pem"')
    assert run(file) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{file}: 2 problems",
        f"tls.default.certificates: {file.parent}/mail.pem: has no private key; put certificate, "
        "chain and key into one file, or name a folder with fullchain.pem and privkey.pem",
        f"tls.default.client-ca: {file.parent}/none.pem: cannot be read: No such file or directory",
    ]


def test_missing_file_is_an_error_that_names_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "none.toml") == 1
    assert capsys.readouterr().err == f"{tmp_path}/none.toml: does not exist; -c names another file\n"


def test_expired_certificate_is_a_warning(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file.parent / "mail.pem").write_bytes(issue("a", days=-3).pem)
    assert run(file) == 0
    assert capsys.readouterr().err.startswith(f"warning: {file.parent}/mail.pem: expired on 20")


def test_certificate_of_the_future_is_a_warning(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file.parent / "mail.pem").write_bytes(issue("a", since=3).pem)
    assert run(file) == 0
    assert capsys.readouterr().err.startswith(f"warning: {file.parent}/mail.pem: is not valid before 20")


def test_what_has_no_effect_is_a_warning(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(SMALLEST + 'backend.spare.server.s.address = "10.0.0.1:1"')
    assert run(file) == 0
    assert capsys.readouterr().err == "warning: backend.spare: is not used by any frontend\n"


def test_summary_says_that_there_is_no_tls_and_no_header(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(
        SMALLEST.replace("tls.default", "# ") + 'frontend.imaps.tls = "none"\nbackend.dovecot.send-proxy = "none"'
    )
    assert run(file) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "frontend imaps: imap on 0.0.0.0:993, [::]:993, no TLS; "
        "backend dovecot, leastconn: d1 10.41.1.131:10143, d2 /run/d2; no PROXY header"
    ]


def test_servers_are_distinguished(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(
        SMALLEST
        + """
[backend.dovecot.server.d3]
address = "10.0.0.3"
tls = { verify-name = "mail.example.org" }
check = { type = "mail" }
backup = true
state = "maint"
"""
    )
    assert run(file) == 0
    assert "d2 /run/d2, d3 10.0.0.3:10143 (TLS, mail checks, backup, maint); send-proxy" in capsys.readouterr().out


@pytest.fixture
def probed(file: Path) -> Path:
    """A configuration with a probe account and TLS to the servers, and all the files for it."""
    (file.parent / "probe").write_text("secret\n")
    (file.parent / "probe").chmod(0o600)
    (file.parent / "ca.pem").write_bytes(issue(common_name="ours").certificate_pem)
    (file.parent / "front.pem").write_bytes(issue("front").pem)
    file.write_text(
        SMALLEST
        + """
backend.dovecot.check = { type = "login", user = "probe", password-file = "probe" }
backend.dovecot.default-server.tls = { ca = "ca.pem", certificate = "front.pem", verify-name = "mail.example.org" }
"""
    )
    return file


def test_files_for_servers_are_good(probed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(probed) == 0
    assert capsys.readouterr().err == ""


def test_files_for_servers_are_read(probed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = probed.parent
    (folder / "probe").write_text("")
    (folder / "ca.pem").unlink()
    (folder / "front.pem").write_bytes(issue("front").certificate_pem)
    assert run(probed) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{probed}: 3 problems",
        f"backend.dovecot.check.password-file: {folder}/probe: is empty",
        f"backend.dovecot.default-server.tls.ca: {folder}/ca.pem: cannot be read: No such file or directory",
        f"backend.dovecot.default-server.tls.certificate: {folder}/front.pem: has no private key; put certificate, "
        "chain and key into one file, or name a folder with fullchain.pem and privkey.pem",
    ]


def test_secret_that_is_none_is_a_warning(probed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (probed.parent / "probe").chmod(0o644)
    assert run(probed) == 0
    assert capsys.readouterr().err == (
        f"warning: {probed.parent}/probe: can be read by every user of this machine (mode 0644); "
        "make it unreadable for others: chmod o=\n"
    )


def test_authorization_fits_a_header(probed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (probed.parent / "key").write_text("Schlüssel")
    probed.write_text(
        SMALLEST + 'backend.dovecot.check = { type = "http", url = "http://127.0.0.1/", authorization-file = "key" }'
    )
    assert run(probed) == 1
    assert capsys.readouterr().err.endswith("/key: is not ASCII, as an HTTP header has to be\n")


@pytest.mark.parametrize(("days", "left"), [(4, "4 days"), (1, "1 day"), (0, "less than a day")])
def test_certificate_that_expires_soon_is_a_warning(
    file: Path, days: int, left: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (file.parent / "mail.pem").write_bytes(issue("a", days=days, since=-30).pem)
    assert run(file) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {file.parent}/mail.pem: expires in {left}, on 20")


@pytest.mark.parametrize(("days", "since"), [(8, -30), (4, -1)])
def test_certificate_that_has_time_is_no_warning(
    file: Path, days: int, since: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that lives for five days has four of them left."""
    (file.parent / "mail.pem").write_bytes(issue("a", days=days, since=since).pem)
    assert run(file) == 0
    assert capsys.readouterr().err == ""


def test_expired_certificate_for_servers_is_a_warning(probed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (probed.parent / "front.pem").write_bytes(issue("front", days=-3).pem)
    assert run(probed) == 0
    assert capsys.readouterr().err.startswith(f"warning: {probed.parent}/front.pem: expired on 20")


def test_expired_list_of_revoked_clients_is_a_warning(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clients = issue(common_name="clients", authority=True)
    (file.parent / "ca.pem").write_bytes(clients.certificate_pem)
    (file.parent / "ca.crl").write_bytes(revocation_list(clients, days=-1))
    file.write_text(SMALLEST + 'tls.default.client-ca = "ca.pem"\ntls.default.client-crl = "ca.crl"')
    assert run(file) == 0
    assert capsys.readouterr().err.startswith(f"warning: {file.parent}/ca.crl: expired on 20")


def test_example_is_good(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1 << 20, 1 << 20))  # as systemd has it, or more
    live = tmp_path / "letsencrypt" / "live" / "mail.example.net"
    (tmp_path / "mailproxy").mkdir()
    for name in ("probe", "doveadm-key", "http-token", "crowdsec.key"):
        (tmp_path / "mailproxy" / name).touch(0o600)
        (tmp_path / "mailproxy" / name).write_text("a-secret-of-enough-letters\n")
    mail, net = issue("mail.example.org", key=rsa_key()), issue("mail.example.net")
    clients = issue(common_name="clients", authority=True)
    for path, pem in {
        tmp_path / "ssl" / "mail" / "mail.pem": mail.pem,
        tmp_path / "ssl" / "clients.pem": clients.certificate_pem,
        tmp_path / "ssl" / "clients.crl": revocation_list(clients),
        tmp_path / "ssl" / "backends.pem": issue(common_name="backends").certificate_pem,
        tmp_path / "ssl" / "mailproxy.pem": issue("mailproxy").pem,
        live / "fullchain.pem": net.certificate_pem,
        live / "privkey.pem": net.key_pem,
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pem)
    file = tmp_path / "mailproxy.toml"
    file.write_text((ROOT / "etc" / "mailproxy.toml").read_text().replace('"/etc/', '"'))
    assert run(file) == 0, capsys.readouterr().err
    assert capsys.readouterr().err == ""


def test_schema_is_printed_without_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    check.configure(parser)
    assert check.run(parser.parse_args(["--schema"])) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["frontend"]


# Against the running service.


def test_differences_from_the_running_service_are_printed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    running = {"type": "row", "folder": str(file.parent), "text": SMALLEST}
    file.write_text("maxconn = 7\n" + SMALLEST)
    parser = ArgumentParser()
    check.configure(parser)
    with Playback(file.parent / "s", [running, DONE]) as service:
        assert check.run(parser.parse_args([str(file), "--against-running", "--socket", service.path])) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("~ maxconn")


def test_running_service_without_differences_is_reported(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = f'admin.socket = "{file.parent}/s"\n' + SMALLEST
    file.write_text(text)
    parser = ArgumentParser()
    check.configure(parser)
    with Playback(file.parent / "s", [{"type": "row", "folder": str(file.parent), "text": text}, DONE]):
        assert check.run(parser.parse_args([str(file), "--against-running"])) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("a reload of the running service changes nothing")


def test_address_of_the_running_service_is_no_remark(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    check.configure(parser)
    with socket.create_server(("127.0.0.1", 0)) as served, socket.create_server(("127.0.0.1", 0)) as other:
        one, two = (f"127.0.0.1:{taken.getsockname()[1]}" for taken in (served, other))
        text = f'admin.socket = "{file.parent}/s"\n' + SMALLEST.replace('"0.0.0.0:993", "[::]:993"', f'"{one}"')
        file.write_text(text.replace(f'"{one}"', f'"{one}", "{two}"'))
        with Playback(file.parent / "s", [{"type": "row", "folder": str(file.parent), "text": text}, DONE]):
            assert check.run(parser.parse_args([str(file), "--against-running"])) == 0
    assert (
        capsys.readouterr().err == f"warning: frontend.imaps.bind: {two} is in use; by mailproxy, if it runs already\n"
    )


def test_service_that_does_not_run_is_reported(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    check.configure(parser)
    assert check.run(parser.parse_args([str(file), "--against-running"])) == 1
    assert "there is no [admin] socket" in capsys.readouterr().err
    assert check.run(parser.parse_args([str(file), "--against-running", "--socket", f"{file.parent}/s"])) == 1
    assert "does not exist; is mailproxy running" in capsys.readouterr().err


RULES = """
[[frontend.imaps.rule]]
name = "office"
if = { source = "@office.txt", sni = "*.example.org" }
backend = "internal"
[[frontend.imaps.rule]]
refuse = "permanent"
[backend.internal.server.i1]
address = "10.41.1.140:10143"
"""


def explain(file: Path, frontend: str, facts: str) -> int:
    parser = ArgumentParser()
    check.configure(parser)
    return check.run(parser.parse_args(["-c", str(file), "--explain", frontend, facts]))


@pytest.fixture
def ruled(file: Path) -> Path:
    """A configuration with rules and their list of networks."""
    file.write_text(SMALLEST + RULES)
    (file.parent / "office.txt").write_text("10.0.0.0/8\n")
    return file


def test_rules_and_their_backends_are_summed_up(ruled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(ruled) == 0
    assert (
        "frontend imaps: rules office, rule 2; backend internal: i1 10.41.1.140:10143"
        in capsys.readouterr().out.splitlines()
    )


def test_broken_list_is_a_problem(ruled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (ruled.parent / "office.txt").write_text("10.0.0.0/8\n10.0.0.1/8\n")
    assert run(ruled) == 1
    assert f"frontend.imaps.rule[0]: {ruled.parent}/office.txt:2: is " in capsys.readouterr().err


def test_list_that_bans_much_of_the_internet_is_a_warning(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(SMALLEST + '[bans]\nlists = ["@drop.txt"]\n[limits]\nexempt = ["1.0.0.0/8"]\n')
    drop = file.parent / "drop.txt"
    drop.write_text("".join(f"{number}.0.0.0/8\n" for number in range(1, 65)))
    assert run(file) == 0
    assert capsys.readouterr().err == ""
    drop.write_text("".join(f"{number}.0.0.0/8\n" for number in range(1, 101)))
    assert run(file) == 0
    assert capsys.readouterr().err == (
        f"warning: list {drop} bans 39 % of all IPv4 addresses (1660944384); "
        "take networks out of it, or add those of your clients to [limits] exempt\n"
    )


def test_broken_list_is_a_warning_if_the_running_service_keeps_the_former_one(
    ruled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (ruled.parent / "office.txt").write_text("10.0.0.1/8\n")
    # The service plays back to one client.
    monkeypatch.setattr(check, "against_running", lambda settings, path: Comparison((), frozenset()))
    parser = ArgumentParser()
    check.configure(parser)
    row = {"type": "row", "folder": str(ruled.parent), "text": ruled.read_text()}
    with Playback(ruled.parent / "s", [DONE], [row, DONE]) as service:
        assert check.run(parser.parse_args([str(ruled), "--against-running", "--socket", service.path])) == 0
    out, err = capsys.readouterr()
    assert err.startswith(f"warning: frontend.imaps.rule[0]: {ruled.parent}/office.txt:1: is ")
    assert err.endswith("; the previous list stays in use\n")
    assert out.splitlines()[0].startswith("a reload of the running service succeeds, with these warnings")


@pytest.mark.parametrize("option", ["--connect", "--against-running"])
def test_explanation_goes_with_no_question_to_others(
    ruled: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = ArgumentParser()
    check.configure(parser)
    assert check.run(parser.parse_args(["-c", str(ruled), "--explain", "imaps", "", option])) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"--explain asks neither servers nor the running service; leave {option} out\n")


def test_decision_is_explained(ruled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(ruled, "imaps", "source=10.1.2.3 sni=a.example.org") == 0
    assert capsys.readouterr().out.splitlines() == [
        "rule office: matches; backend internal",
        f"  source: 10.1.2.3 is @{ruled.parent}/office.txt",
        "  sni: a.example.org is *.example.org",
        "decision: rule office: backend internal",
    ]


@pytest.mark.parametrize(
    ("frontend", "facts", "problem"),
    [
        ("imap", "", 'there is no frontend "imap"; did you mean "imaps"?'),
        ("web", "", 'there is no frontend "web"; there are "imaps"'),
        ("imaps", "sorce=1", "sorce: is no fact; did you mean source?"),
    ],
)
def test_what_cannot_be_explained_is_reported(
    ruled: Path, capsys: pytest.CaptureFixture[str], frontend: str, facts: str, problem: str
) -> None:
    assert explain(ruled, frontend, facts) == 1
    assert problem in capsys.readouterr().err


def test_banned_client_that_no_rule_judges_is_reported(ruled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(ruled, "imaps", "source=10.1.2.3 sni=a.example.org banned=yes") == 0
    first = "banned, and no rule of this frontend has `banned`: closed at accept; without the ban:"
    assert capsys.readouterr().out.splitlines()[0] == first
    text = ruled.read_text()
    accepts = 'frontend.imaps.accept-proxy = ["127.0.0.1"]'
    ruled.write_text(text.replace("frontend.imaps.protocol", f"{accepts}\nfrontend.imaps.protocol"))
    assert explain(ruled, "imaps", "banned=yes") == 0
    assert capsys.readouterr().out.startswith(first.replace("at accept", "after its PROXY header"))
    ruled.write_text(text.replace("if = { source", "if = { banned = true, source"))
    assert explain(ruled, "imaps", "source=10.1.2.3 sni=a.example.org banned=yes") == 0
    assert capsys.readouterr().out.startswith("rule office: matches")


def test_missing_facts_are_the_last_line(ruled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(ruled, "imaps", "port=993") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "missing facts: source= sni="
    assert explain(ruled, "imaps", "sni=a.example.org") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "missing facts: source="


def test_stated_fact_of_an_unknown_source_is_not_missing(ruled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ruled.write_text(ruled.read_text().replace("if = { source", 'if = { source-rate = { over = "30/1m" }, source'))
    assert explain(ruled, "imaps", "source-rate=31 sni=a.example.org") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "missing facts: source="


def test_explanation_needs_a_good_file(ruled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (ruled.parent / "office.txt").unlink()
    assert explain(ruled, "imaps", "") == 1
    assert "office.txt: cannot be read: No such file or directory" in capsys.readouterr().err
