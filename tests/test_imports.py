"""Imports run one way: the layers of the package, read from its source."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter

import pytest

import mailproxy
from tests.modules import MODULES, modules

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
    {"foreground", "tap", "demo", "top"},
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


def imports(name: str) -> Iterator[str]:
    """Every module that a module imports."""
    for node in modules()[name].imports:
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                for alias in names:
                    whole = f"{module}.{alias.name}"
                    yield whole if whole in MODULES else module
            case ast.ImportFrom():
                pytest.fail(f"{name}, line {node.lineno}: relative import")


@cache
def all_imports() -> dict[str, set[str]]:
    """What each module imports."""
    return {name: set(imports(name)) for name in MODULES}


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


def test_pure_parts_touch_no_socket_and_no_reactor() -> None:
    touched = [
        f"{name} imports {other}"
        for name, others in all_imports().items()
        for other in others
        if other.partition(".")[0] in FORBIDDEN.get(part(name), ())
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


def test_clients_of_the_admin_socket_need_no_reactor_and_no_configuration() -> None:
    modules = imported("mailproxy.commands.ctl, mailproxy.commands.top, mailproxy.commands.completion")
    # The tables take half of a command's time.
    assert modules & {"twisted", "OpenSSL", "cryptography", "mailproxy.config.whole"} == set()


def test_start_imports_nothing_that_only_some_configurations_need() -> None:
    # HTTP takes a tenth of a second of every start.
    modules = imported("mailproxy.cli, mailproxy.service, mailproxy.tap")
    assert modules & {"twisted.web.http", "prometheus_client", "twisted.names.dns", "treq"} == set()
