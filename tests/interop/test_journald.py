"""A real journald, in a mount namespace of its own."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from mailproxy.log.datagram import JournalSink
from mailproxy.log.journal import as_entry
from tests.interop.certificates import Certificates
from tests.interop.clients import connect_tls, read_line
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import single
from tests.interop.recorder import GREETING, echo
from tests.interop.waiting import PATIENCE_SECONDS, until

JOURNALD = Path("/lib/systemd/systemd-journald")

# It has /run and /var/log to itself, and what it wants to know of the machine.
SCRIPT = """
set -e
mount -t tmpfs none /run
mount -t tmpfs none /var/log
mkdir -p /run/systemd/journal /run/log/journal
echo 0123456789abcdef0123456789abcdef > /run/machine-id
mount --bind /run/machine-id /etc/machine-id
exec "$0"
"""


@pytest.fixture
def journald() -> Iterator[Path]:
    """Its root folder."""
    if not JOURNALD.exists() or shutil.which("journalctl") is None or not Path("/etc/machine-id").exists():
        pytest.skip("needs journald, journalctl and /etc/machine-id")
    command = ["unshare", "--mount", "sh", "-c", SCRIPT, str(JOURNALD)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        root = Path(f"/proc/{process.pid}/root")
        try:
            with suppress(AssertionError):
                until(lambda: process.poll() is not None or _is_its_own(root), "journald")
            if not _is_its_own(root):
                pytest.skip("journald does not run here")
            yield root
        finally:
            process.terminate()


def _is_its_own(root: Path) -> bool:
    """Whether there is a socket, and not the machine's."""
    with suppress(OSError):
        own = (root / "run/machine-id").exists()
        return own and (root / "run/systemd/journal/socket").is_socket()
    return False


def entries(root: Path, *matches: str) -> list[dict[str, str]]:
    """What journalctl finds."""
    command = ["journalctl", "-D", f"{root}/run/log/journal", "-o", "json", "--all", "-t", "mailproxy", *matches]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=PATIENCE_SECONDS
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_journal_is_searched_by_our_fields(
    front: StartFront, recorder: StartRecorder, pki: Certificates, journald: Path
) -> None:
    configuration, port = single(pki.server_ec, recorder(echo()).port)
    configuration["log"] = {"target": f"journal:{journald}/run/systemd/journal/socket", "format": "text"}
    running = front(configuration)
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
    (session,) = until(lambda: entries(journald, "MAILPROXY_EVENT=session", "MAILPROXY_FRONTEND=front"), "an entry")
    assert session["MAILPROXY_TLS"] == "TLSv1.3"
    assert session["MESSAGE"].startswith("session id=")
    assert (session["PRIORITY"], session["SYSLOG_FACILITY"]) == ("6", "2")
    assert session["_PID"] == str(running.process.pid)


def test_entry_of_megabytes_is_whole(journald: Path) -> None:
    """It comes as a memory file."""
    words = "line\n" * 2_000_000
    event = {"log_format": "{words}", "log_time": 0.0, "event": "long", "words": words}
    with closing(JournalSink("journal", f"{journald}/run/systemd/journal/socket")) as sink:
        assert sink.write([as_entry(event, "info", facility="mail", format="json")]) == 1
    (entry,) = until(lambda: entries(journald, "MAILPROXY_EVENT=long"), "an entry")
    assert json.loads(entry["MESSAGE"])["message"] == words
    assert entry["MAILPROXY_WORDS"] == words
