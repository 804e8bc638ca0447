import json
from argparse import ArgumentParser
from pathlib import Path

import pytest

from mailproxy import cli
from mailproxy.audit import Result, Verdict
from mailproxy.commands import check_starttls
from tests.audit.conftest import Tls, tls
from tests.audit.fake import serving
from tests.audit.flaw import Flaw

__all__ = ["tls"]


def run(*arguments: str) -> int:
    parser = ArgumentParser()
    check_starttls.configure(parser)
    return check_starttls.run(parser.parse_args(arguments))


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Result]:
    """What the cases will have found."""
    results: list[Result] = []
    monkeypatch.setattr(check_starttls, "run_cases", lambda *_, **__: results)
    return results


def result(verdict: Verdict) -> Result:
    return Result("one", "Something bad.", verdict, "STARTTLS", "220 go")


def test_good_server_is_status_0(tls: Tls, capsys: pytest.CaptureFixture[str]) -> None:
    with serving("managesieve", tls.context) as port:
        assert run(f"127.0.0.1:{port}", "--protocol", "managesieve", "--timeout", "0.5") == 0
    out = capsys.readouterr().out
    assert "inject-same-segment" in out
    assert "VULNERABLE" not in out
    assert out.endswith("The certificate was not verified; --ca FILE does that.\n")


def test_vulnerable_server_is_status_1(tls: Tls, capsys: pytest.CaptureFixture[str]) -> None:
    with serving("lmtp", tls.context, Flaw.KEEPS_BUFFER) as port:
        assert (
            run(f"localhost:{port}", "--protocol", "lmtp", "--timeout", "0.1", "--json", "--source", "127.0.0.1") == 1
        )
    shown = json.loads(capsys.readouterr().out)
    assert (shown["server"], shown["protocol"]) == (f"localhost:{port}", "lmtp")
    assert "VULNERABLE" in {result["verdict"] for result in shown["results"]}


def test_vulnerable_is_worse_than_no_answer(found: list[Result]) -> None:
    found += [result(Verdict.NO_ANSWER), result(Verdict.VULNERABLE)]
    assert run("127.0.0.1:143", "--protocol", "imap") == 1


def test_no_answer_is_status_2(found: list[Result]) -> None:
    found += [result(Verdict.NO_ANSWER), result(Verdict.OK)]
    assert run("127.0.0.1:143", "--protocol", "imap") == 2


def test_not_applicable_is_no_worse_than_ok(found: list[Result]) -> None:
    found += [result(Verdict.NOT_APPLICABLE)]
    assert run("127.0.0.1:143", "--protocol", "imap") == 0


def test_server_that_cannot_be_checked_is_status_2(tls: Tls, capsys: pytest.CaptureFixture[str]) -> None:
    with serving("imap", tls.context, Flaw.CLOSES_AT_ONCE) as port:
        assert run(f"127.0.0.1:{port}", "--protocol", "imap") == 2
    assert capsys.readouterr() == ("", "mailproxy check-starttls: no greeting: (closed)\n")


def test_authority_that_is_none_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("127.0.0.1:143", "--protocol", "imap", "--ca", str(tmp_path / "none.pem")) == 2
    assert "none.pem" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("mail.example.org", "--protocol", "imap"),
        ("mail.example.org:", "--protocol", "imap"),
        (":143", "--protocol", "imap"),
        ("::1:143", "--protocol", "imap"),
        ("mail.example.org:65536", "--protocol", "imap"),
        ("mail.example.org:143",),
        ("mail.example.org:143", "--protocol", "http"),
        ("mail.example.org:143", "--protocol", "imap", "--timeout", "0"),
        ("mail.example.org:143", "--protocol", "imap", "--timeout", "soon"),
        ("mail.example.org:143", "--protocol", "imap", "--timeout", "nan"),
        ("mail.example.org:143", "--protocol", "imap", "--source", "localhost"),
        ("mail.example.org:143", "--protocol", "imap", "--insecure", "--ca", "ca.pem"),
    ],
)
def test_usage_error_is_status_2(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(*arguments)


def test_ipv6_address_is_in_brackets(found: list[Result], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("[::1]:143", "--protocol", "imap", "--json") == 0
    assert json.loads(capsys.readouterr().out)["server"] == "[::1]:143"


def test_command_is_found_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["check-starttls", "--help"])
    assert capsys.readouterr().out.startswith("usage: mailproxy check-starttls")
