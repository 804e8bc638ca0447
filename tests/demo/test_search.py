"""SEARCH keys that are refused; the tests of the IMAP server have the others."""

import pytest
from twisted.mail.imap4 import IllegalQueryError

from mailproxy.demo.search import Query, matcher


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ([b"LARGER", b"3"], "LARGER is not a key"),
        ([b"SUBJECT"], "SUBJECT needs an argument"),
        ([b"NOT"], "NOT needs an argument"),
        ([b"TO", [b"SEEN"]], "TO takes no list"),
    ],
)
def test_wrong_search_key_is_refused(query: Query, message: str) -> None:
    with pytest.raises(IllegalQueryError, match=message):
        matcher(query, 1, 1)
