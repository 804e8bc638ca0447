from pathlib import Path

import pytest

from mailproxy.config import Config, ConfigError, Frontend, InetBind, load, parse

SMALLEST = """
tls.default.certificates = ["/etc/ssl/mail.pem"]
frontend.imaps.bind = ["0.0.0.0:993"]
frontend.imaps.protocol = "imap"
frontend.imaps.backend = "dovecot"
backend.dovecot.server.d1.address = "10.41.1.131:10143"
"""


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "/etc")
    return str(caught.value)


def test_five_lines_are_enough() -> None:
    config = parse(SMALLEST, "/etc")
    assert config == Config(
        tls=config.tls,
        frontends=(
            Frontend(
                name="imaps",
                bind=(InetBind(config.frontends[0].bind[0].host, 993),),  # type: ignore[union-attr]  # it is an InetBind
                protocol="imap",
                backend="dovecot",
            ),
        ),
        backends=config.backends,
    )


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mailproxy.toml"
    file.write_text(SMALLEST.replace("/etc/ssl/", ""))
    assert load(file).tls["default"].certificates == (str(tmp_path / "mail.pem"),)


def test_folder_with_the_signs_of_a_pattern_is_a_folder() -> None:
    config = parse(SMALLEST.replace("/etc/ssl/mail", "*"), "/etc/[x]")
    assert config.tls["default"].certificates == ("/etc/[[]x]/*.pem",)


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    file = tmp_path / "mailproxy.toml"
    file.write_text(SMALLEST, encoding="utf-8-sig")
    assert load(file).frontends[0].name == "imaps"


def test_word_without_quotes_gets_a_hint_about_quotes() -> None:
    with pytest.raises(ConfigError, match=r"Invalid value \(at line 1, column 28\); a string is in quotes"):
        parse("frontend.imaps.protocol  = imap", "/etc")


def test_missing_file_is_an_error_that_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "none.toml")
    assert str(caught.value) == f"{tmp_path}/none.toml: does not exist; -c names another file"


def test_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert str(caught.value) == f"{tmp_path}: cannot be read: Is a directory"


def test_file_that_is_not_utf8_is_an_error_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mailproxy.toml"
    file.write_bytes(b"a = 1\nb = '\xff'")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value) == f"{file}: is not UTF-8, as TOML has to be: byte 0xff at line 2"


def test_every_problem_is_on_a_line_under_a_headline(tmp_path: Path) -> None:
    file = tmp_path / "mailproxy.toml"
    file.write_text(SMALLEST + "maxconn = true\nfoo = 1\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value).splitlines()[0] == f"{file}: 2 problems"
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()[1:]] == ["maxconn", "foo"]


def test_one_problem_takes_one_line() -> None:
    assert refusal(SMALLEST + "maxconn = true").startswith("the configuration: maxconn: is true")


def test_syntax_error_has_line_and_column() -> None:
    message = refusal("a = 1\nb = = 2")
    assert message.startswith("the configuration: is not TOML: ")
    assert "at line 2, column 5" in message


def test_syntax_error_at_the_end_has_them_too() -> None:
    assert "at line 2, column 5, the end of the file" in refusal("a = 1\nb = ")


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "1" * 5000])
def test_what_the_parser_gives_up_on_is_a_problem_too(text: str) -> None:
    assert "too" in refusal(text)
