import socket

import pytest

from mailproxy.audit import CannotCheck, Result, Verdict, run_cases
from tests.audit.conftest import Tls
from tests.audit.fake import serving
from tests.audit.flaw import Flaw


def verdicts(results: list[Result]) -> dict[str, Verdict]:
    return {result.case: result.verdict for result in results}


def test_without_starttls_only_what_is_in_plaintext_is_tried(tls: Tls) -> None:
    with serving("imap", tls.context, Flaw.HAS_NO_STARTTLS) as port:
        found = verdicts(run_cases("127.0.0.1", port, "imap", timeout=1.0, quiet=0.02))
    assert found["starttls-offered"] is Verdict.VULNERABLE
    assert found["clear-login"] is Verdict.OK
    assert found["unsolicited"] is found["inject-same-segment"] is Verdict.NOT_APPLICABLE


def test_certificate_is_verified_with_an_authority(tls: Tls) -> None:
    with serving("lmtp", tls.context) as port:
        found = verdicts(run_cases("127.0.0.1", port, "lmtp", timeout=1.0, quiet=0.02, ca=str(tls.authority)))
    assert set(found.values()) == {Verdict.OK}


def test_certificate_with_another_name_cannot_be_checked(tls: Tls) -> None:
    with (
        serving("lmtp", tls.context) as port,
        pytest.raises(CannotCheck, match="the TLS handshake fails: certificate: Hostname mismatch"),
    ):
        run_cases("127.0.0.1", port, "lmtp", timeout=1.0, ca=str(tls.authority), server_name="example.com")


def test_server_that_is_not_there_cannot_be_checked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(CannotCheck, match="no connection to"):
        run_cases("127.0.0.1", port, "imap", timeout=1.0)


@pytest.mark.parametrize(("flaw", "answer"), [(Flaw.IS_MUTE, "silence"), (Flaw.CLOSES_AT_ONCE, "closed")])
def test_server_that_does_not_greet_cannot_be_checked(flaw: Flaw, answer: str, tls: Tls) -> None:
    with serving("imap", tls.context, flaw) as port, pytest.raises(CannotCheck, match=rf"no greeting: \({answer}\)"):
        run_cases("127.0.0.1", port, "imap", timeout=0.05)


def test_another_protocols_server_cannot_be_checked(tls: Tls) -> None:
    with serving("smtp", tls.context) as port, pytest.raises(CannotCheck, match=r"no greeting: 220 ready"):
        run_cases("127.0.0.1", port, "imap", timeout=0.1)


def test_connection_comes_from_the_address_of_its_source_option(tls: Tls) -> None:
    with serving("pop3", tls.context) as port, pytest.raises(CannotCheck, match="Cannot assign requested address"):
        run_cases("127.0.0.1", port, "pop3", source="192.0.2.1")


def test_server_that_stops_answering_is_reported_case_by_case(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    connections = 0
    connect = socket.create_connection

    def first_only(*arguments: object) -> socket.socket:
        nonlocal connections
        connections += 1
        if connections > 1:
            raise ConnectionRefusedError("too many connections")
        return connect(*arguments)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(socket, "create_connection", first_only)
    with serving("pop3", tls.context) as port:
        results = run_cases("127.0.0.1", port, "pop3", timeout=1.0)
    (user,) = (result for result in results if result.case == "clear-user")
    assert (user.verdict, user.note) == (
        Verdict.NO_ANSWER,
        f"no connection to 127.0.0.1:{port}: too many connections",
    )
