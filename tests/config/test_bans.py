"""``[bans]``: where bans are kept, and lists of networks."""

import pytest

from mailproxy.config import Bans
from tests.config.builders import problem, read


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
