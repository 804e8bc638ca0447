"""The paths that entries match."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailproxy.tls.patterns import matches


def found(folder: Path, pattern: str) -> list[str]:
    steps = matches(f"{folder}/{pattern}")
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return [str(Path(path).relative_to(folder)) for path in done.value]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "b.pem",
        "a.pem",
        "a.pem.ocsp",
        ".hidden.pem",
        "README",
        "live/x/fullchain.pem",
        "live/y/fullchain.pem",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.pem", ["a.pem", "b.pem"]),
        (".*.pem", [".hidden.pem"]),
        ("[ab].pem", ["a.pem", "b.pem"]),
        ("?.pem", ["a.pem", "b.pem"]),
        ("*", ["README", "a.pem", "b.pem", "live"]),
        ("live/*", ["live/x", "live/y"]),
        ("live/*/", ["live/x", "live/y"]),
        ("*/x", ["live/x"]),
        ("**/fullchain.pem", ["live/x/fullchain.pem", "live/y/fullchain.pem"]),
        ("live", ["live"]),
        ("live/", ["live"]),
        ("none/*.pem", []),
        ("none", []),
        ("README/*", []),
    ],
)
def test_pattern_finds_its_files(folder: Path, pattern: str, expected: list[str]) -> None:
    assert found(folder, pattern) == expected


def test_many_names_take_many_steps(tmp_path: Path) -> None:
    for number in range(1200):
        (tmp_path / f"{number}.pem").touch()
    assert sum(1 for _ in matches(f"{tmp_path}/*.pem")) == 3
    assert len(found(tmp_path, "*.pem")) == 1200
