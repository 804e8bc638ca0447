"""``[bans]``: where bans are kept, and lists of networks."""

import pytest

from mailproxy.config import Bans
from mailproxy.config.bans import CrowdSecSettings
from tests.config.builders import problem, problems, read


def test_paths_are_relative_to_the_folder() -> None:
    config = read(bans__file="bans.json", bans__lists=["@drop.txt", "@/srv/more.txt"])
    lists = ("/etc/mailproxy/drop.txt", "/srv/more.txt")
    assert config.bans == Bans(file="/etc/mailproxy/bans.json", lists=lists)
    assert config.list_files == {lists[0]: "bans.lists[0]", lists[1]: "bans.lists[1]"}


@pytest.mark.parametrize("wrong", ["drop.txt", "@", ""])
def test_list_is_a_file(wrong: str) -> None:
    assert problem(bans__lists=[wrong]) == (
        f'bans.lists[0]: is "{wrong}", needs a file that lists networks, as in "@lists/drop.txt"'
    )


CROWDSEC = {"url": "http://127.0.0.1:8080/", "key-file": "crowdsec.key"}


def test_crowdsec_has_a_url_and_a_file() -> None:
    config = read(bans__crowdsec=CROWDSEC)
    expected = CrowdSecSettings(url="http://127.0.0.1:8080", key_file="/etc/mailproxy/crowdsec.key", interval=10.0)
    assert config.bans.crowdsec == expected
    (file,) = config.bans.files
    assert (file.key, file.path) == ("bans.crowdsec.key-file", "/etc/mailproxy/crowdsec.key")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("url", "127.0.0.1:8080", 'needs the address of the local API such as "http://127.0.0.1:8080"'),
        ("url", "ftp://127.0.0.1", "needs the address"),
        ("url", "http://127.0.0.1:8080?x=1", "needs the address"),
        ("url", "http://127.0.0.1:99999", "needs the address"),
        ("url", "http://ü.example", "needs the address"),
        ("url", "http://me:secret@127.0.0.1:8080", "has a user in it; the key belongs in the file of key-file"),
        ("interval", "100ms", 'is 0.1 s, needs at least "1s"'),
    ],
)
def test_wrong_key_of_crowdsec_is_explained(key: str, value: str, expected: str) -> None:
    found = problem(bans__crowdsec=CROWDSEC | {key: value})
    assert found.startswith(f"bans.crowdsec.{key}: ")
    assert expected in found


def test_crowdsec_needs_both() -> None:
    assert [one.partition(":")[0] for one in problems(bans__crowdsec={})] == [
        "bans.crowdsec.url",
        "bans.crowdsec.key-file",
    ]
