"""The wheel, built and installed into an empty environment: what its users find there."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    """What `command` prints; a failure shows what it said."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def required(dist: Distribution, extras: frozenset[str] = frozenset()) -> Iterator[Distribution]:
    """The distributions that `dist` with `extras` declares to need, theirs included."""
    for requirement in map(Requirement, dist.requires or ()):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            needed = distribution(requirement.name)
            yield needed
            yield from required(needed, frozenset(requirement.extras))


def copy(dist: Distribution, site: Path) -> None:
    """Put the files that an installer recorded for `dist` into `site`; scripts are left out."""
    for file in dist.files or ():
        if ".." not in file.parts:
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(file.locate()), target)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, CHECKOUT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    The interpreter of an environment with only the wheel and its declared dependencies.

    The needed distributions are copied from the environment of the tests, so nothing is downloaded, and file by file:
    that environment may have mailproxy's own plugins among Twisted's.
    """
    home = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(home, symlinks=True)
    interpreter = home / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", interpreter, "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=home)
    (site,) = home.glob("lib/python*/site-packages")
    (installed,) = distributions(name="mailproxy", path=[str(site)])
    needed = {canonicalize_name(dist.metadata["Name"]): dist for dist in required(installed)}
    for dist in needed.values():
        copy(dist, site)
    return interpreter


def script(python: Path, name: str, *arguments: str) -> str:
    """What the console script `name` of the environment prints."""
    start = (
        "import sys; from importlib.metadata import entry_points;"
        f"sys.argv[0] = {name!r};"
        f"(script,) = entry_points(group='console_scripts', name={name!r}); sys.exit(script.load()())"
    )
    return run(python, "-I", "-c", start, *arguments, cwd=python.parent)


def test_wheel_carries_types_and_plugins(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    plugins = {f"twisted/plugins/{path.name}" for path in (CHECKOUT / "twisted" / "plugins").glob("*.py")}
    assert names >= {"mailproxy/py.typed", "mailproxy/cli.py", "mailproxy/web/static/stats.js", *plugins}


def test_wheel_leaves_twisteds_packages_alone(wheel: Path) -> None:
    assert not {"twisted/__init__.py", "twisted/plugins/__init__.py"} & set(zipfile.ZipFile(wheel).namelist())


def test_wheel_carries_no_tests(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith((".dist-info", ".data"))} == {"mailproxy", "twisted"}


def test_wheel_carries_units_and_examples(wheel: Path) -> None:
    carried = {name.partition(".data/data/")[2] for name in zipfile.ZipFile(wheel).namelist()}
    etc = CHECKOUT / "etc"
    assert carried >= {f"share/mailproxy/{path.relative_to(etc)}" for path in etc.rglob("*") if path.is_file()}


def test_command_is_installed(python: Path) -> None:
    assert run(python.with_name("mailproxy"), "--version", cwd=python.parent).startswith("mailproxy ")


@pytest.mark.parametrize("runner", ["twist", "twistd"])
def test_runner_lists_the_service(python: Path, runner: str) -> None:
    assert "\n    mailproxy " in script(python, runner, "--help").replace("\t", " ")


def test_runner_lists_the_reactor(python: Path) -> None:
    assert "mailproxy" in script(python, "twistd", "--help-reactors")


@pytest.mark.parametrize("runner", ["twist", "twistd"])
def test_runner_loads_the_service(python: Path, runner: str) -> None:
    assert "--config" in script(python, runner, "mailproxy", "--help")


def test_reactor_of_the_plugin_can_be_installed(python: Path) -> None:
    program = (
        "from twisted.application.reactors import installReactor; installReactor('mailproxy');"
        "from twisted.internet import reactor; print(type(reactor).__module__)"
    )
    assert run(python, "-I", "-c", program, cwd=python.parent).startswith("mailproxy.transport.")


def test_accept_proxy_prefix_is_found(python: Path) -> None:
    program = (
        "from twisted.internet import reactor; from twisted.internet.endpoints import serverFromString;"
        r"print(type(serverFromString(reactor, r'accept-proxy:tcp\:0:trusted=127.0.0.1')).__module__)"
    )
    assert run(python, "-I", "-c", program, cwd=python.parent).startswith("mailproxy.")


def test_send_proxy_prefix_is_found(python: Path) -> None:
    program = (
        "from twisted.internet import reactor; from twisted.internet.endpoints import clientFromString;"
        r"print(type(clientFromString(reactor, r'send-proxy-v2-ssl:tcp\:127.0.0.1\:143')).__module__)"
    )
    assert run(python, "-I", "-c", program, cwd=python.parent).startswith("mailproxy.")
