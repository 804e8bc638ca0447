"""The plugin of ``twistd`` and ``twist``."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import Application
from twisted.logger import ILogObserver

from mailproxy.log import ServiceLog
from mailproxy.signals import RELOADS, STOPS
from mailproxy.tap import Options, PluginService, makeService

GOOD = """
[frontend.front]
bind = ["/{folder}/front.sock"]
protocol = "imap"
tls = "none"
backend = "dovecot"

[backend.dovecot.server.d1]
address = "127.0.0.1:10143"
"""


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Give the signals back that a service takes."""
    before = {number: signal.getsignal(number) for number in STOPS + RELOADS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mailproxy.toml"
    path.write_text(GOOD.replace("/{folder}", str(tmp_path)))
    return path


def options(file: Path, **of_twistd: Any) -> Options:
    """Parse the command line, under the options of `twistd`."""
    made = Options()
    made.parseOptions(["-c", str(file)])
    made.parent = of_twistd  # type: ignore[assignment]  # its options, which are a dictionary
    return made


def make(file: Path, **of_twistd: Any) -> PluginService:
    service = makeService(options(file, **of_twistd))
    assert isinstance(service, PluginService)
    for frontend in service.frontends:
        frontend.stop()
    return service


def failure(file: Path) -> str:
    with pytest.raises(SystemExit) as caught:
        makeService(options(file))
    return str(caught.value.code)


def test_default_is_the_file_of_the_system() -> None:
    made = Options()
    made.parseOptions([])
    assert made["config"] == "/etc/mailproxy/mailproxy.toml"


def test_service_has_its_sockets_open(file: Path) -> None:
    service = makeService(options(file))
    assert isinstance(service, PluginService)
    assert (file.parent / "front.sock").exists()
    service.frontends[0].stop()


def test_missing_file_ends_the_process_with_a_sentence(tmp_path: Path) -> None:
    assert failure(tmp_path / "none.toml") == f"{tmp_path}/none.toml: does not exist; -c names another file"


def test_mistake_in_the_file_ends_the_process_with_a_sentence(file: Path) -> None:
    file.write_text(file.read_text().replace('"imap"', '"imaps"'))
    assert failure(file).startswith(f'{file}: frontend.front.protocol: is "imaps"')


def test_socket_that_cannot_be_ends_the_process_with_a_sentence(file: Path) -> None:
    (file.parent / "front.sock").write_text("something else")
    assert failure(file) == f"frontend.front.bind: cannot listen on {file.parent}/front.sock: Address already in use"


def test_lines_are_ours_under_twistd(file: Path) -> None:
    application = Application("mailproxy")
    make(file).setServiceParent(application)
    assert isinstance(ILogObserver(application), ServiceLog)


@pytest.mark.parametrize("option", ["logfile", "syslog", "logger"])
def test_lines_are_twistd_s_if_that_is_configured(file: Path, option: str) -> None:
    application = Application("mailproxy")
    make(file, **{option: "somewhere"}).setServiceParent(application)
    assert ILogObserver(application, None) is None


def test_log_file_of_twistd_is_rotated_by_twistd(file: Path) -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    make(file, logfile="somewhere")
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


def test_lines_are_ours_under_twist(file: Path) -> None:
    of_twist = options(file, fileLogObserverFactory=None)
    service = makeService(of_twist)
    assert isinstance(service, PluginService)
    service.frontends[0].stop()
    assert of_twist.parent is not None
    assert isinstance(of_twist.parent["fileLogObserverFactory"](sys.__stderr__), ServiceLog)


def test_plugin_imports_nothing_heavy() -> None:
    """``twist --help`` lists it."""
    code = "import sys; import twisted.plugins.mailproxy_plugin; print([n for n in sys.modules if 'mailproxy.' in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
