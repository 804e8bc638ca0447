import io
import re
import sys
from argparse import ArgumentParser
from pathlib import Path

import pytest

from mailproxy.commands import header as command
from mailproxy.proxyprotocol import Command, Family, SslClient, Tlv, TlvType, decode

PLAIN = "0d0a0d0a000d0a515549540a2111000cc0000201c63364099c4003e1"
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "proxyprotocol.md"
ADDRESSES = ("--source", "192.0.2.1:40000", "--destination", "198.51.100.9:993")


def run(*arguments: str) -> int:
    parser = ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args(arguments))


def encode(capsys: pytest.CaptureFixture[str], *arguments: str) -> bytes:
    """What `header encode` prints, which must be one line of hex."""
    assert run("encode", *arguments) == 0
    return bytes.fromhex(capsys.readouterr().out)


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


class TestEncode:
    def test_output_is_hex_by_default(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert encode(capsys, *ADDRESSES).hex() == PLAIN

    def test_raw_option_writes_bytes(self, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
        assert run("encode", "--raw", *ADDRESSES) == 0
        assert capsysbinary.readouterr().out == bytes.fromhex(PLAIN)

    def test_version_1_is_a_line_of_text(self, capsys: pytest.CaptureFixture[str]) -> None:
        line = b"PROXY TCP4 192.0.2.1 198.51.100.9 40000 993\r\n"
        assert encode(capsys, "--version", "1", *ADDRESSES) == line

    def test_local_option_makes_a_local_header(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert decode(encode(capsys, "--local")).command is Command.LOCAL

    def test_unix_addresses_are_encoded(self, capsys: pytest.CaptureFixture[str]) -> None:
        header = decode(encode(capsys, "--source", "unix:/a", "--destination", "unix:/b"))
        assert header.family is Family.UNIX

    def test_tlvs_are_in_haproxys_order(self, capsys: pytest.CaptureFixture[str]) -> None:
        options = ("--netns", "blue", "--ssl", "--unique-id", "id", "--authority", "a.example", "--alpn", "imap")
        header = decode(encode(capsys, *ADDRESSES, *options, "--crc32c", "--tlv", "0xE1=x"))
        assert [tlv.name for tlv in header.tlvs] == [
            "0xE1", "CRC32C", "ALPN", "AUTHORITY", "UNIQUE_ID", "SSL", "NETNS",
        ]  # fmt: skip

    def test_custom_tlvs_keep_the_order_of_their_options(self, capsys: pytest.CaptureFixture[str]) -> None:
        header = decode(encode(capsys, "--local", "--tlv", "0xE1=hex:00ff", "--tlv", "azure=a=b", "--tlv", "226="))
        assert header.tlvs == (Tlv(0xE1, b"\x00\xff"), Tlv(TlvType.AZURE, b"a=b"), Tlv(0xE2, b""))

    def test_ssl_option_alone_reports_no_certificate(self, capsys: pytest.CaptureFixture[str]) -> None:
        ssl = decode(encode(capsys, *ADDRESSES, "--ssl")).ssl
        assert ssl is not None
        assert (ssl.client, ssl.verify, ssl.version) == (SslClient.SSL, 1, "TLSv1.3")

    def test_common_name_option_implies_a_verified_certificate(self, capsys: pytest.CaptureFixture[str]) -> None:
        ssl = decode(encode(capsys, *ADDRESSES, "--cn", "alice", "--tls-version", "TLSv1.2")).ssl
        assert ssl is not None
        assert (int(ssl.client), ssl.verify, ssl.version, ssl.common_name) == (7, 0, "TLSv1.2", "alice")

    def test_resumed_option_and_verify_set_the_flags_and_the_verdict(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        (tmp_path / "alice.der").write_bytes(b"0\0")
        options = ("--client-cert", str(tmp_path / "alice.der"), "--resumed", "--verify", "18")
        ssl = decode(encode(capsys, *ADDRESSES, *options)).ssl
        assert ssl is not None
        assert (int(ssl.client), ssl.verify, ssl.client_cert) == (5, 18, b"0\0")

    def test_left_out_tlvs_are_reported(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("encode", *ADDRESSES, "--alpn", "imap", "--authority", "mail.example", "--budget", "44") == 0
        assert capsys.readouterr().err == "mailproxy header: left out to fit 44 bytes: ALPN\n"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((), "--source and --destination are both needed, or --local"),
            (("--local", *ADDRESSES), "--local has no --source and no --destination"),
            (("--version", "1", *ADDRESSES, "--ssl"), "version 1 cannot carry TLVs, SSL for example"),
            (("--version", "1", *ADDRESSES, "--crc32c"), "version 1 cannot carry a checksum"),
            ((*ADDRESSES, "--budget", "20"), "INET headers have at least 28 bytes, 20 are allowed"),
            (("--local", "--client-cert", "/nowhere"), "[Errno 2] No such file or directory: '/nowhere'"),
        ],
    )
    def test_header_that_cannot_be_made_is_an_error(
        self, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
    ) -> None:
        assert run("encode", *arguments) == 1
        assert capsys.readouterr().err == f"mailproxy header: {message}\n"

    @pytest.mark.parametrize(
        "option",
        [
            ("--source", "banana"), ("--tlv", "0xE1"), ("--tlv", "0x100=x"),
            ("--tlv", "fruit=banana"), ("--tlv", "0xE1=hex:0"),
        ],
    )  # fmt: skip
    def test_unreadable_option_is_a_usage_error(self, option: tuple[str, str]) -> None:
        with pytest.raises(SystemExit, match="2"):
            run("encode", *option)


class TestDecode:
    def test_hex_argument_is_explained(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("decode", PLAIN) == 0
        assert "   16  c0000201                             source address 192.0.2.1" in capsys.readouterr().out

    def test_hex_may_come_in_groups(self) -> None:
        assert run("decode", PLAIN[:24], ":".join((PLAIN[24:28], PLAIN[28:]))) == 0

    @pytest.mark.parametrize("data", [bytes.fromhex(PLAIN), PLAIN.encode() + b"\n", b"PROXY UNKNOWN\r\n"])
    def test_stdin_may_be_raw_or_hex(self, monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
        stdin(monkeypatch, data)
        assert run("decode") == 0

    def test_bad_header_is_explained_as_far_as_it_goes(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("decode", PLAIN[:44]) == 1
        out, err = capsys.readouterr()
        assert out.endswith("source address 192.0.2.1\n")
        assert err == "mailproxy header: bad header: the connection ended after 22 bytes of a header that has 28\n"

    def test_bytes_that_begin_no_header_are_an_error(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stdin(monkeypatch, b"GET / HTTP/1.1\r\n")
        assert run("decode") == 1
        assert capsys.readouterr() == (
            "",
            "mailproxy header: bad header: byte 0 is 0x47, no header of version 1 or 2 begins with it\n",
        )

    def test_argument_that_is_not_hex_is_an_error(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("decode", "banana") == 1
        assert capsys.readouterr().err.startswith("mailproxy header: not hex: ")


@pytest.mark.parametrize("line", re.findall(r"^\$ mailproxy header (.*)$", DOCUMENTATION.read_text(), re.MULTILINE))
def test_the_documentation_shows_what_is_printed(capsys: pytest.CaptureFixture[str], line: str) -> None:
    run(*line.split())
    out, err = capsys.readouterr()
    text = DOCUMENTATION.read_text().partition(f"$ mailproxy header {line}\n")[2].partition("```")[0]
    shown = text.partition("…\n")
    assert (out + err).endswith(shown[2] or shown[0])
