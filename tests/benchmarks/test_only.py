"""The option that chooses what a benchmark measures."""

from __future__ import annotations

import argparse

import pytest

from benchmarks import only


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    only.add_option(parser, ["plain", "conn"])
    return parser


@pytest.mark.parametrize(
    ("arguments", "chosen"), [([], ["plain", "conn"]), (["--only", "conn,plain"], ["conn", "plain"])]
)
def test_names_are_chosen(parser: argparse.ArgumentParser, arguments: list[str], chosen: list[str]) -> None:
    assert parser.parse_args(arguments).only == chosen


def test_name_that_there_is_not_is_refused(parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser.parse_args(["--only", "conn,plane"])
    assert "there is no 'plane', only plain, conn" in capsys.readouterr().err
