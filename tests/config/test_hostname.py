import pytest

from mailproxy.config.hostname import host_name, srv_name
from mailproxy.config.kind import WrongValue


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mail.example.org", "mail.example.org"),
        ("MAIL.Example.org.", "mail.example.org"),
        ("localhost", "localhost"),
        ("3com.example", "3com.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_host_name_is_written_in_lower_case_without_a_last_dot(text: str, name: str) -> None:
    assert host_name(text) == name


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", 'is "", which has nothing between two dots'),
        ("a..b", 'is "a..b", which has nothing between two dots'),
        ("a_b.example", 'is "a_b.example", in which "a_b" may have only letters, digits and inner hyphens'),
        ("-a.example", 'is "-a.example", in which "-a" may have only'),
        ("a-.example", 'is "a-.example", in which "a-" may have only'),
        ("a b", 'is "a b", in which "a b" may have only'),
        ("a\n", 'is "a\\n", in which "a\\n" may have only'),
        ("bücher.example", 'is "bücher.example", which is not ASCII; write "xn--bcher-kva.example"'),
        ("ü" * 70, "write its xn-- form"),
        ("a" * 64, "in which a label has 64 characters; at most 63 are allowed"),
        ("a." * 127 + "a", "is a name of 255 characters; a host name has 253 at most"),
        ("10.0.0.256", 'is "10.0.0.256", which is not an IP address, and a host name does not end with a number'),
    ],
)
def test_text_that_is_no_host_name_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(WrongValue) as caught:
        host_name(text)
    assert complaint in str(caught.value)


def test_service_name_is_written_in_lower_case_without_a_last_dot() -> None:
    assert srv_name("_IMAP._tcp.example.org.") == "_imap._tcp.example.org"


@pytest.mark.parametrize("text", ["", "imap.example.org", "_imap.example.org", "_imap._udp.example.org", "_imap._tcp"])
def test_text_that_names_no_service_is_refused(text: str) -> None:
    with pytest.raises(WrongValue):
        srv_name(text)
