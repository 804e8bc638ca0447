import pytest

from mailproxy.config import Backend, CustomTlv
from tests.config.builders import problem, problems, read


def backend(**changes: object) -> Backend:
    return read(**{f"backend__dovecot__{key}": value for key, value in changes.items()}).backends["dovecot"]


def custom(values: object) -> tuple[CustomTlv, ...]:
    return backend(proxy_v2_tlvs=values).tlvs


def test_values_are_text_or_hexadecimal_in_order() -> None:
    assert custom({"0xE2": "hex:00fF 01", "0xE1": "é", "azure": "", "0xF7": "hex:"}) == (
        CustomTlv(0xE2, b"\x00\xff\x01"),
        CustomTlv(0xE1, b"\xc3\xa9"),
        CustomTlv(0xEE, b""),
        CustomTlv(0xF7, b""),
    )


def test_bad_hexadecimal_is_refused() -> None:
    assert problem(backend__dovecot__proxy_v2_tlvs={"0xE1": "hex:0g"}).startswith(
        'backend.dovecot.proxy-v2-tlvs.0xE1: is "hex:0g", needs pairs of hexadecimal digits'
    )


def test_value_fits_a_header() -> None:
    assert custom({"0xE1": "x" * 481}) == (CustomTlv(0xE1, b"x" * 481),)
    assert problem(backend__dovecot__proxy_v2_tlvs={"0xE1": "x" * 482}) == (
        "backend.dovecot.proxy-v2-tlvs.0xE1: has 482 bytes; a header has room for 481 at most"
    )


def test_type_is_set_once() -> None:
    assert problem(backend__dovecot__proxy_v2_tlvs={"0xEE": "a", "azure": "b"}) == (
        "backend.dovecot.proxy-v2-tlvs.azure: is the same type as 0xEE; each is sent once"
    )


def test_both_type_and_value_are_looked_at() -> None:
    assert len(problems(backend__dovecot__proxy_v2_tlvs={"ssl": 3})) == 2


def test_value_may_be_a_format_in_order() -> None:
    found = custom({"0xE2": {"format": "{tls} {sni}"}, "0xE1": "{tls}", "authority": {"format": "{sni}"}})
    assert [(tlv.type, str(tlv.value)) for tlv in found] == [
        (0xE2, "{tls} {sni}"),
        (0xE1, str(b"{tls}")),
        (2, "{sni}"),
    ]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"format": "{tlss}"}, '.format: is "{tlss}", in which {tlss} is not a field; did you mean {tls}?'),
        ({"format": 1}, ".format: is the number 1, needs text with fields of the log such as"),
        ({"fmt": "{tls}"}, ".format: is missing, needs text with fields of the log such as"),
        ({}, ".format: is missing, needs text with fields of the log such as"),
        ([], ': is a list, needs a string such as "text" or "hex:00ff", or a table such as { format = "{tls} {sni}" }'),
    ],
)
def test_wrong_format_is_refused(value: object, complaint: str) -> None:
    found = problems(backend__dovecot__proxy_v2_tlvs={"0xE1": value})[0]
    assert found.startswith(f"backend.dovecot.proxy-v2-tlvs.0xE1{complaint}")


@pytest.mark.parametrize("name", ["alpn", "authority", "unique-id"])
def test_name_is_not_empty(name: str) -> None:
    assert problem(backend__dovecot__proxy_v2_tlvs={name: ""}) == (
        f"backend.dovecot.proxy-v2-tlvs.{name}: is empty; leave it out, or receivers read it as a name"
    )


def test_unique_id_has_a_bound() -> None:
    assert custom({"unique-id": "x" * 128}) == (CustomTlv(5, b"x" * 128),)
    assert problem(backend__dovecot__proxy_v2_tlvs={"unique-id": "x" * 129}) == (
        "backend.dovecot.proxy-v2-tlvs.unique-id: has 129 bytes; a unique id has 128 at most"
    )


def test_unique_id_format_sets_the_tlv() -> None:
    (found,) = backend(proxy_v2_options=["unique-id"], unique_id_format="mx1-{id}").tlvs
    assert (found.type, str(found.value)) == (5, "mx1-{id}")


def test_unique_id_without_a_format_is_no_tlv_of_the_configuration() -> None:
    assert backend(proxy_v2_options=["unique-id"]).tlvs == ()


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({}, 'has no effect without "unique-id" in proxy-v2-options'),
        (
            {"proxy_v2_options": ["unique-id"], "proxy_v2_tlvs": {"0x05": "a"}},
            "and proxy-v2-tlvs both set the unique id; choose one",
        ),
        ({"send_proxy": "v1"}, 'needs a version 2 header; send-proxy is "v1", use "v2" or "v2-ssl"'),
    ],
)
def test_unique_id_format_needs_the_option_and_version_2(more: dict[str, object], complaint: str) -> None:
    changes = {f"backend__dovecot__{key}": value for key, value in more.items()}
    assert f"backend.dovecot.unique-id-format: {complaint}" in problems(
        backend__dovecot__unique_id_format="{id}", **changes
    )
