from itertools import product
from pathlib import Path

import pytest

from mailproxy.audit import DIALECTS, Verdict, run_cases
from mailproxy.audit.cases import cases_of
from mailproxy.audit.honest import observe
from mailproxy.audit.result import Finding
from mailproxy.audit.server import Server
from mailproxy.audit.target import Target
from tests.audit.conftest import Tls
from tests.audit.fake import serving
from tests.audit.flaw import Flaw

SMTPS = ("submission", "lmtp")
DIFFERENT = ("imap", "pop3", "submission", "lmtp", "managesieve")  # smtp is spoken as submission is


def finding(protocol: str, name: str, tls: Tls, *flaws: Flaw) -> Finding:
    """What one case finds in a server with these flaws."""
    with serving(protocol, tls.context, *flaws) as port:
        server = Server(Target("127.0.0.1", port, "127.0.0.1", timeout=0.5, quiet=0.02), DIALECTS[protocol])
        (case,) = (case for case in cases_of(server.dialect) if case.name == name)
        return case.check(server, observe(server))


@pytest.mark.parametrize("protocol", DIALECTS)
def test_good_server_passes_every_case(protocol: str, tls: Tls) -> None:
    with serving(protocol, tls.context) as port:
        results = run_cases("127.0.0.1", port, protocol, timeout=1.0, quiet=0.02)
    assert [result for result in results if result.verdict is not Verdict.OK] == []


@pytest.mark.parametrize("protocol", DIFFERENT)
def test_discarding_what_was_injected_is_well_too(protocol: str, tls: Tls) -> None:
    with serving(protocol, tls.context, Flaw.DISCARDS_BUFFER) as port:
        results = run_cases("127.0.0.1", port, protocol, timeout=1.0, quiet=0.02)
    assert [result for result in results if result.verdict is not Verdict.OK] == []
    assert [result.came for result in results if result.case == "inject-same-segment"] == ["(ignored)"]


INJECTIONS = ("inject-same-segment", "inject-starttls", "inject-farewell", "half-command")
LATER = ("inject-later-segment", "inject-with-clienthello", "failed-handshake")

VULNERABLE = [
    *product(DIFFERENT, [Flaw.HIDES_STARTTLS], ["starttls-offered"]),
    *product(DIFFERENT, [Flaw.HAS_NO_STARTTLS], ["starttls-offered"]),
    *product(DIFFERENT, [Flaw.OFFERS_LOGIN], ["login-offered"]),
    *product(DIFFERENT, [Flaw.SPEAKS_BEFORE_HANDSHAKE], ["unsolicited"]),
    *product(DIFFERENT, [Flaw.KEEPS_BUFFER], INJECTIONS),
    *product(DIFFERENT, [Flaw.EXECUTES_BUFFER_QUIETLY], ["inject-farewell"]),
    *product(DIFFERENT, [Flaw.GOES_ON_WITHOUT_TLS], LATER),
    *product(DIFFERENT, [Flaw.GREETS_TWICE], ["second-greeting"]),
    *product(DIFFERENT, [Flaw.OFFERS_AGAIN], ["offered-again"]),
    *product(DIFFERENT, [Flaw.ACCEPTS_TWICE], ["accepted-twice"]),
    *product(DIFFERENT, [Flaw.KEEPS_CAPABILITIES], ["capabilities-kept"]),
    *product(SMTPS, [Flaw.IGNORES_ARGUMENTS], ["arguments"]),
    *product(SMTPS, [Flaw.KEEPS_HELLO], ["hello-kept"]),
    *product(SMTPS, [Flaw.KEEPS_MAIL], ["mail-kept"]),
    ("imap", Flaw.GREETS_PREAUTH, "preauth"),
    ("imap", Flaw.PROMPTS_FOR_LITERAL, "clear-login-literal"),
    *product(("imap", "managesieve"), [Flaw.EXECUTES_LITERAL], ["literal-executed"]),
    ("managesieve", Flaw.LISTS_NOTHING, "capabilities-kept"),
    *product(["imap"], [Flaw.PROMPTS], ["clear-authenticate-plain", "clear-authenticate-login"]),
    *product(["pop3", *SMTPS], [Flaw.PROMPTS], ["clear-auth-plain", "clear-auth-login"]),
    *product(["managesieve"], [Flaw.PROMPTS], ["clear-authenticate-plain", "clear-authenticate-login"]),
    *product(["imap"], [Flaw.TAKES_LOGIN, Flaw.LOOKS_AT_LOGIN], ["clear-login", "clear-authenticate-plain-initial"]),
    *product(
        ["pop3"], [Flaw.TAKES_LOGIN, Flaw.LOOKS_AT_LOGIN], ["clear-user", "clear-pass", "clear-auth-plain-initial"]
    ),
    *product(SMTPS, [Flaw.TAKES_LOGIN, Flaw.LOOKS_AT_LOGIN], ["clear-auth-plain-initial"]),
    *product(
        ["managesieve"],
        [Flaw.TAKES_LOGIN, Flaw.LOOKS_AT_LOGIN],
        ["clear-authenticate-plain-initial", "clear-authenticate-plain-literal"],
    ),
]


@pytest.mark.parametrize(("protocol", "flaw", "name"), VULNERABLE)
def test_flaw_is_found(protocol: str, flaw: Flaw, name: str, tls: Tls) -> None:
    assert finding(protocol, name, tls, flaw).verdict is Verdict.VULNERABLE


@pytest.mark.parametrize("protocol", DIFFERENT)
def test_login_that_outlives_starttls_is_found(protocol: str, tls: Tls) -> None:
    found = finding(protocol, "login-kept", tls, Flaw.TAKES_LOGIN, Flaw.KEEPS_LOGIN)
    assert found.verdict is Verdict.VULNERABLE


@pytest.mark.parametrize("protocol", DIFFERENT)
def test_login_that_is_forgotten_is_none(protocol: str, tls: Tls) -> None:
    assert finding(protocol, "login-kept", tls, Flaw.TAKES_LOGIN).verdict is Verdict.OK


@pytest.mark.parametrize("protocol", DIFFERENT)
def test_whether_a_login_is_kept_needs_a_login(protocol: str, tls: Tls) -> None:
    assert finding(protocol, "login-kept", tls, Flaw.LOOKS_AT_LOGIN).verdict is Verdict.NOT_APPLICABLE


def test_server_that_needs_no_ehlo_looks_like_one_that_keeps_it(tls: Tls) -> None:
    found = finding("smtp", "hello-kept", tls, Flaw.NEEDS_NO_HELLO, Flaw.KEEPS_HELLO)
    assert found.verdict is Verdict.NOT_APPLICABLE


def test_apop_is_noted_and_no_flaw(tls: Tls) -> None:
    found = finding("pop3", "apop", tls, Flaw.OFFERS_APOP)
    assert (found.verdict, "CVE-2007-1558" in found.note) == (Verdict.OK, True)


def test_what_is_injected_is_shown_with_what_came_of_it(tls: Tls) -> None:
    found = finding("imap", "inject-same-segment", tls, Flaw.KEEPS_BUFFER)
    assert (found.sent, found.came) == (
        "s STARTTLS\\r\\ni NOOP · <TLS>",
        "i OK done / c OK done / q OK done",
    )


def test_every_case_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "check-starttls.md").read_text()
    names = {case.name for dialect in DIALECTS.values() for case in cases_of(dialect)}
    assert [name for name in names if f"`{name}`" not in page] == []


def test_names_are_unique() -> None:
    for dialect in DIALECTS.values():
        names = [case.name for case in cases_of(dialect)]
        assert len(names) == len(set(names))
