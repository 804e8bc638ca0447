import os

import pytest

from mailproxy.config import Log
from tests.config.builders import problem, read


def test_configuration_has_defaults() -> None:
    config = read()
    assert config.log == Log(format="text", level="info")
    assert config.hard_stop_after == 10
    assert config.maxconn == 0


def test_format_and_level_of_the_log_are_read() -> None:
    assert read(log={"format": "json", "level": "warn"}).log == Log("json", "warn")


def test_one_process_is_the_default() -> None:
    assert read(workers=0) == read()


def test_workers_are_counted() -> None:
    assert read(workers=4).workers == 4
    assert read(workers="auto").workers == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("workers", "shown"), [(-1, "the number -1"), (1000, "the number 1000"), ("many", '"many"')])
def test_workers_that_cannot_be_are_refused(workers: object, shown: str) -> None:
    assert problem(workers=workers) == f'workers: is {shown}, needs a whole number from 0 to 256, or "auto"'


def test_admin_socket_is_read_and_off_by_default() -> None:
    assert read().admin.socket is None
    assert read(admin={"socket": "/run/mailproxy/admin.sock"}).admin.socket == "/run/mailproxy/admin.sock"


@pytest.mark.parametrize("path", ["admin.sock", "127.0.0.1:8404", ""])
def test_admin_socket_is_a_path(path: str) -> None:
    assert problem(admin={"socket": path}).startswith(f'admin.socket: is "{path}", needs the path of a UNIX socket')


def test_admin_socket_is_nobody_else_s() -> None:
    changes: dict[str, object] = {"admin": {"socket": "/run/x"}, "frontend__imaps__bind": ["/run/x"]}
    assert problem(**changes) == 'admin.socket: is "/run/x", which frontend.imaps.bind has too'


def test_value_in_place_of_a_table_is_refused() -> None:
    assert problem(log="json") == 'log: is the string "json", needs a table: [log]'


def test_nothing_may_be_negative() -> None:
    assert problem(maxconn=-1) == "maxconn: is -1, needs a whole number from 0 to 10000000"
