"""Imports run one way: the layers of the package, read from its source."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import mailproxy

ROOT = Path(mailproxy.__file__).parent

LAYERS = (
    {"proxyprotocol"},
    {"mail", "balance", "profiles", "counting"},
    {"config"},
    {"tls", "names", "networks"},
    {"announce", "rules", "sources"},
    {"transport", "endpoints"},
    {"backend"},
    {"session"},
    {"checks"},
    {"bans"},
    {"front", "log"},
    {"control", "systemd"},
    {"metrics"},
    {"web"},
    {"service", "signals", "audit"},
    {"process"},
    {"tap", "demo", "top"},
    {"commands"},
    {"cli"},
    {"__main__"},
)
"""Bottom up. A module imports from its own part of the package and from those below, never from above or beside."""

RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}

SOCKETS = {"socket", "ssl", "select", "selectors", "asyncio", "OpenSSL"}

FORBIDDEN = {
    "proxyprotocol": SOCKETS | {"twisted", "cryptography", "time"},
    "mail": SOCKETS | {"twisted", "cryptography", "time"},
    "balance": SOCKETS | {"twisted", "cryptography", "time"},
    "profiles": SOCKETS | {"twisted", "cryptography", "time"},
    "config": SOCKETS | {"twisted"},
    "sources": SOCKETS | {"twisted", "cryptography", "time"},
    "tls": {"twisted"},
    "networks": {"twisted", "time"},
    "rules": SOCKETS | {"twisted", "cryptography", "time"},
    "audit": {"twisted", "OpenSSL", "cryptography"},
}
"""
What the pure parts do without: the reactor, sockets and, below the configuration, the clock. The audit judges with
another TLS library than the one it may be judging.
"""


def name_of(path: Path) -> str:
    """The dotted name of the module in `path`."""
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports(path: Path) -> Iterator[str]:
    """Every module that `path` imports: at its top, inside a function, for types alone."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                for alias in names:
                    name = f"{module}.{alias.name}"
                    yield name if name in MODULES else module
            case ast.ImportFrom():
                pytest.fail(f"{path}, line {node.lineno}: relative import")


@cache
def all_imports() -> dict[str, set[str]]:
    """What each module imports; not read when pytest collects, which each of its processes does."""
    return {name: set(imports(path)) for name, path in MODULES.items()}


def part(name: str) -> str:
    """`mailproxy.tls.facts` -> `tls`; the package itself is ``."""
    return name.partition(".")[2].partition(".")[0]


def within(name: str) -> bool:
    """Whether `name` is ours."""
    return name.partition(".")[0] == "mailproxy"


def test_every_part_has_a_layer() -> None:
    assert {part(name) for name in MODULES} - {""} <= set(RANK)


def test_the_map_names_every_part() -> None:
    assert mailproxy.__doc__ is not None
    assert [
        name for name in {part(name) for name in MODULES} - {"", "__main__"} if f"``{name}``" not in mailproxy.__doc__
    ] == []


def test_the_map_is_in_the_order_of_the_layers() -> None:
    assert mailproxy.__doc__ is not None
    named = [
        name
        for line in mailproxy.__doc__.splitlines()
        if line.startswith("- ")
        for name in re.findall("``(\\w+)``", line.partition(":")[0])
    ]
    assert named == sorted(named, key=RANK.__getitem__)


def test_imports_run_downwards() -> None:
    upwards = [
        f"{name} imports {other}"
        for name, others in all_imports().items()
        for other in others
        if within(other) and part(other) not in ("", part(name)) and RANK[part(other)] >= RANK[part(name)]
    ]
    assert upwards == []


def test_imports_have_no_cycle() -> None:
    try:
        TopologicalSorter({name: others & set(MODULES) for name, others in all_imports().items()}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("pure", FORBIDDEN)
def test_pure_parts_touch_no_socket_and_no_reactor(pure: str) -> None:
    touched = [
        f"{name} imports {other}"
        for name, others in all_imports().items()
        for other in others
        if part(name) == pure and other.partition(".")[0] in FORBIDDEN[pure]
    ]
    assert touched == []


def test_package_itself_imports_nothing() -> None:
    assert all_imports()["mailproxy"] == set()


def imported(module: str) -> set[str]:
    """What a fresh interpreter has when it has imported `module`."""
    script = f"import sys, {module}; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


def test_library_imports_nothing_of_the_service() -> None:
    parts = {part(name) for name in imported("mailproxy.endpoints, mailproxy.endpoints.parsers") if within(name)}
    assert parts == {"", "proxyprotocol", "profiles", "tls", "announce", "endpoints"}


def test_codec_imports_nothing_but_itself() -> None:
    modules = imported("mailproxy.proxyprotocol")
    assert {part(name) for name in modules if within(name)} == {"", "proxyprotocol"}
    assert modules & {"twisted", "OpenSSL", "cryptography"} == set()


@pytest.mark.parametrize("command", ["ctl", "top", "completion"])
def test_clients_of_the_admin_socket_need_no_reactor(command: str) -> None:
    assert imported(f"mailproxy.commands.{command}") & {"twisted", "OpenSSL", "cryptography"} == set()


@pytest.mark.parametrize("command", ["ctl", "top", "completion"])
def test_clients_of_the_admin_socket_need_no_tables_of_the_configuration(command: str) -> None:
    # They take half of a command's time.
    assert "mailproxy.config.whole" not in imported(f"mailproxy.commands.{command}")


def test_twisted_web_is_for_http_alone() -> None:
    # It takes a tenth of a second of every start.
    assert "twisted.web.http" not in imported("mailproxy.cli, mailproxy.service, mailproxy.tap")


def test_prometheus_client_is_for_http_alone() -> None:
    assert "prometheus_client" not in imported("mailproxy.cli, mailproxy.service, mailproxy.tap")


def test_dns_is_for_names_alone() -> None:
    assert "twisted.names.dns" not in imported("mailproxy.cli, mailproxy.service, mailproxy.tap")


def test_treq_is_for_http_checks_alone() -> None:
    assert "treq" not in imported("mailproxy.cli, mailproxy.service, mailproxy.tap")
