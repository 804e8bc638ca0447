from typing import Any

import pytest

from mailproxy.proxyprotocol import Strictness


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"versions": ()}, r"versions \(\) may contain only 1 and 2"),
        ({"versions": (3,)}, r"versions \(3,\) may contain only"),
        ({"versions": (0, 1)}, "may contain only"),
        ({"versions": 2}, r"versions 2 is not a tuple; write \(2,\)"),
        ({"versions": "2"}, "versions '2' is not a tuple"),
        ({"versions": (1,), "require_crc32c": True}, "require_crc32c refuses every header of version 1"),
        ({"max_size": 51}, "max_size 51 is less than the 52 bytes"),
        ({"max_size": 58, "require_crc32c": True}, "max_size 58 is less than the 59 bytes"),
        ({"max_size": "536"}, "max_size '536' is not a number of bytes"),
        ({"max_size": True}, "max_size True is not a number of bytes"),
        ({"require_crc32c": "no"}, "require_crc32c 'no' is neither True nor False"),
        ({"accept_local": 0}, "accept_local 0 is neither"),
        ({"accept_unspec": None}, "accept_unspec None is neither"),
    ],
)
def test_strictness_that_cannot_work_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Strictness(**wrong)


def test_any_collection_of_versions_becomes_a_tuple() -> None:
    assert Strictness(versions=[2]).versions == (2,)


def test_smallest_limits_are_accepted() -> None:
    assert (Strictness(max_size=52).max_size, Strictness(max_size=59, require_crc32c=True).max_size) == (52, 59)
