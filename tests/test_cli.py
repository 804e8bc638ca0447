"""The `mailproxy` command: versions, exit statuses, and what it imports."""

import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from types import SimpleNamespace

import pytest

import mailproxy
from mailproxy import cli
from mailproxy.commands import COMMANDS


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], int]], None]:
    """Puts a command called `check` in place that takes `--number` and does what the test says."""

    def put(run: Callable[[], int]) -> None:
        def configure(parser: ArgumentParser) -> None:
            parser.add_argument("--number", type=int)

        def ran(_: Namespace) -> int:
            return run()

        module = SimpleNamespace(__doc__="A command.", configure=configure, run=ran)
        monkeypatch.setitem(sys.modules, "mailproxy.commands.check", module)

    return put


def interrupted() -> int:
    raise KeyboardInterrupt


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"mailproxy {mailproxy.__version__}\n"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_has_no_markup(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main([name, "--help"])
    assert "``" not in capsys.readouterr().out


def test_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["serve"])
    assert "serve" in capsys.readouterr().err


def test_no_command_is_a_usage_error() -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main([])


def test_commands_status_is_the_exit_status(command: Callable[[Callable[[], int]], None]) -> None:
    command(lambda: 1)
    assert cli.main(["check"]) == 1


def test_bad_argument_of_a_command_is_a_usage_error(command: Callable[[Callable[[], int]], None]) -> None:
    command(lambda: 0)
    with pytest.raises(SystemExit, match="2"):
        cli.main(["check", "--number", "one"])


def test_ctrl_c_is_quiet(command: Callable[[Callable[[], int]], None], capsys: pytest.CaptureFixture[str]) -> None:
    command(interrupted)
    assert cli.main(["check"]) == 130
    assert capsys.readouterr() == ("", "")


def test_reader_that_goes_away_is_no_traceback() -> None:
    program = (
        "import sys, types\n"
        "def run(arguments):\n"
        "    print('x' * 1_000_000)\n"
        "    return 0\n"
        "module = types.SimpleNamespace(__doc__='', configure=lambda parser: None, run=run)\n"
        "sys.modules['mailproxy.commands.check'] = module\n"
        "from mailproxy.cli import main\n"
        "sys.exit(main(['check']))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        writer.stdout.close()
        assert (writer.stderr.read(), writer.wait()) == (b"", 1)


def test_module_is_a_program() -> None:
    shown = subprocess.run([sys.executable, "-m", "mailproxy", "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == f"mailproxy {mailproxy.__version__}\n"


def test_finding_the_command_imports_no_twisted() -> None:
    program = "import sys, mailproxy.cli; sys.exit('twisted' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
