"""The parts of HTTP checks: addresses with places to fill, methods, headers, statuses, JSON values."""

import re
from math import isfinite
from typing import Literal, get_args
from urllib.parse import urlsplit

from mailproxy.config.kind import Kind, WrongValue, one_of
from mailproxy.config.table import Table
from mailproxy.config.words import described, nearest, quoted

Method = Literal["GET", "HEAD", "OPTIONS", "POST", "PUT"]

PLACES = ("host", "protocol")
"""`{host}` and `{protocol}` are filled when a server is checked."""

_NEEDS = 'an address such as "http://{host}:8080/health"'
_PLACE = re.compile(r"\{([^{}]*)\}")
_TOKEN = re.compile(r"[0-9A-Za-z!#$%&'*+.^_`|~-]+")
"""RFC 9110 section 5.6.2."""

_OURS = {
    "authorization": "belongs in the file of authorization-file: more people may read a configuration than a secret",
    "host": "is made from the url",
    "content-length": "is made from the body",
    "transfer-encoding": "is made from the body",
    "connection": "cannot be set for a check",
    "accept-encoding": "asks for encodings that a check does not decode",
}


def _url(value: str) -> str:
    for place in _PLACE.findall(value):
        if place not in PLACES:
            meant = nearest(place, PLACES)
            hint = f"did you mean {{{meant}}}?" if meant else "places are {host} and {protocol}"
            raise WrongValue(f"is {quoted(value)}, in which {{{place}}} is not known; {hint}")
    filled = _PLACE.sub("x", value)
    if not (filled.isascii() and filled.isprintable()) or " " in filled or re.search("[{}]", filled):
        raise WrongValue(f"is {quoted(value)}, needs {_NEEDS} of printable ASCII characters without spaces")
    try:
        parts = urlsplit(filled)
        port = parts.port
    except ValueError as error:
        raise WrongValue(f"is {quoted(value)}, which is not an address: {error}; needs {_NEEDS}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise WrongValue(f"is {quoted(value)}, needs {_NEEDS}")
    if parts.username is not None:
        raise WrongValue("has a user in it; credentials belong in authorization-file")
    # A request always has a path (RFC 9112 section 3.2.1).
    return value.replace("?", "/?", 1) if parts.query and not parts.path else value


def header_name(name: str) -> str:
    """Return `name` if a check may send such a header; raises `WrongValue`."""
    if not _TOKEN.fullmatch(name):
        raise WrongValue(f"is not a header name: {quoted(name)}")
    if name.lower() in _OURS:
        raise WrongValue(_OURS[name.lower()])
    return name


def header_value(value: str) -> str:
    """Return `value` if it can be a header's value; raises `WrongValue`."""
    if not (value.isascii() and value.isprintable() and value.strip() == value):
        raise WrongValue(f"is {quoted(value)}, needs {HEADERS_NEED}")
    return value


def pointer(value: str) -> str:
    """Return `value` if it is a JSON pointer (RFC 6901); raises `WrongValue`."""
    if value and not value.startswith("/"):
        raise WrongValue(f"is not a JSON pointer (RFC 6901): it must begin with a slash, as in {quoted('/' + value)}")
    if re.search("~(?![01])", value):
        raise WrongValue("is not a JSON pointer (RFC 6901): write ~0 for ~ and ~1 for /")
    return value


def shown_statuses(statuses: range) -> str:
    """Write statuses as the configuration does: ``200``, ``2xx``, ``200-399``."""
    first, last = statuses[0], statuses[-1]
    if first == last:
        return str(first)
    return f"{first // 100}xx" if first % 100 == 0 and last == first + 99 else f"{first}-{last}"


def _statuses(value: int | str) -> range:
    text = str(value)
    if re.fullmatch("[1-5]xx", text, re.IGNORECASE):
        first = int(text[0]) * 100
        return range(first, first + 100)
    first_digits, dash, last_digits = text.partition("-")
    digits = (first_digits, last_digits if dash else first_digits)
    if all(re.fullmatch("[1-5][0-9]{2}", each) for each in digits) and digits[0] <= digits[1]:
        return range(int(digits[0]), int(digits[1]) + 1)
    hint = "; write each as an entry of its own" if "," in text else ""
    raise WrongValue(f"is {described(value)}, needs {_STATUSES}{hint}")


_STATUSES = 'a status from 100 to 599, "2xx", or a range such as "200-399"'

HEADERS_NEED = "the value of a header, printable ASCII"
METHOD: Kind[Method] = one_of(get_args(Method))
STATUSES: Kind[range] = Kind((int, str), _STATUSES, _statuses)
URL: Kind[str] = Kind((str,), _NEEDS, _url)


HEADER_VALUE: Kind[str] = Kind((str,), HEADERS_NEED, header_value)


def _json_value(value: str | int | bool | float) -> str | int | bool | float:
    if isinstance(value, float) and not isfinite(value):
        raise WrongValue(f"is {value}, which JSON cannot say")
    return value


JSON_VALUE: Kind[str | int | bool | float] = Kind(
    (str, int, bool, float), "the string, number or truth value that has to be there", _json_value
)


def read_headers(table: Table) -> dict[str, str]:
    """Read the headers that a check sends, by name."""
    headers = {}
    for key in table:
        value = table.take(key, HEADER_VALUE, None)
        try:
            name = header_name(key)
        except WrongValue as error:
            table.report(key, str(error))
            continue
        if value is not None:
            headers[name] = value
    return headers


def read_json(table: Table) -> dict[str, str | int | bool | float]:
    """Read the values that an answer must have, by JSON pointer."""
    expected = {}
    for key in table:
        value = table.take(key, JSON_VALUE, None)
        try:
            place = pointer(key)
        except WrongValue as error:
            table.report(key, str(error))
            continue
        if value is not None:
            expected[place] = value
    return expected
