"""How the interpreter was built."""

import platform

import pytest

from mailproxy.front.interpreter import interpreter, is_optimised

PYENV = {"CONFIG_ARGS": "'--prefix=/root/.pyenv/versions/3.11.7' '--enable-shared'", "PY_CFLAGS": "-DNDEBUG -g -O3"}


@pytest.mark.parametrize(
    "flags",
    [
        PYENV | {"CONFIG_ARGS": "'--build=x86_64-linux-gnu' '--enable-optimizations' '--with-lto'"},
        PYENV | {"PY_CFLAGS_NODIST": "-fvisibility=hidden -fprofile-use -fprofile-correction"},
        PYENV | {"PY_LDFLAGS_NODIST": "-flto -fuse-linker-plugin"},
    ],
)
def test_flags_of_an_optimised_build_are_found(flags: dict[str, object]) -> None:
    assert is_optimised(flags, "/usr/local")


def test_build_by_hand_without_the_flags_is_not_optimised() -> None:
    assert not is_optimised(PYENV, "/usr/local")


def test_interpreter_of_a_distribution_is_optimised_whatever_its_flags() -> None:
    assert is_optimised({"CONFIG_ARGS": "'--enable-shared' '--prefix=/usr'"}, "/usr")


def test_version_comes_first() -> None:
    assert interpreter().startswith(platform.python_version())
