"""What another reading of the files finds, and what it leaves as it was."""

from __future__ import annotations

import os
import shutil
import time
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from mailproxy.tls.certificate import Certificate
from mailproxy.tls.source import Content, read_content, read_file
from mailproxy.tls.store import CertificateReading, CertificateStore, Objection
from tests.tls.issue import NOW, Issued, issue

NAME = "mail.example.org"


class Clock:
    """A wall clock that is ahead of the files by default."""

    def __init__(self) -> None:
        self.ahead = 100.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Site:
    """A folder with certificates, and the store of a profile that names them."""

    def __init__(self, folder: Path, *entries: str) -> None:
        self.folder = folder
        self.clock = Clock()
        self.store = CertificateStore(self.clock, self.read)
        self.read_file = read_file
        self.reads: list[str] = []
        """The certificates that were read."""
        self.profiles = {"default": tuple(f"{folder}/{entry}" for entry in entries)}

    def read(self, path: str) -> Content:
        self.reads.append(path)
        return read_content(path, self.read_file)

    def write(self, name: str, pem: bytes) -> Path:
        """Replace a file by renaming another one, as ACME clients do."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.write_bytes(pem)
        new.replace(path)
        return path

    def start(self) -> tuple[Certificate, ...]:
        reading = self.store.read(self.profiles)
        assert reading.problems == {"default": ()}
        self.store.adopt(reading.certificates, self.profiles)
        return reading.certificates["default"]

    def look(self, *, is_asked: bool = False, objection: Objection | None = None) -> CertificateReading:
        steps = self.store.reading(self.profiles, is_asked=is_asked, objection=objection)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                reading: CertificateReading = done.value
                self.store.adopt(reading.certificates)
                self.store.remember(reading.complaints)
                return reading

    def complaints(self, *, is_asked: bool = False) -> list[str]:
        return [str(complaint) for complaint in self.look(is_asked=is_asked).complaints]

    @property
    def served(self) -> list[bytes]:
        return [certificate.encoded[0] for certificate in self.store.in_use["default"]]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path, "*.pem")
    site.write("a.pem", issue("a").pem)
    site.write("b.pem", issue("b").pem)
    site.start()
    return site


def der(issued: Issued) -> bytes:
    return issued.certificate.public_bytes(Encoding.DER)


# What is new


def test_renewed_file_is_read(site: Site) -> None:
    new = issue("a")
    site.write("a.pem", new.pem)
    reading = site.look()
    assert reading.complaints == ()
    assert site.served[0] == der(new)


def test_only_what_looks_different_is_read(site: Site) -> None:
    site.write("a.pem", issue("a").pem)
    site.reads.clear()
    site.look()
    site.look()
    assert site.reads == [f"{site.folder}/a.pem"]


def test_same_size_and_mtime_are_no_disguise(site: Site) -> None:
    path = site.folder / "a.pem"
    pem = path.read_bytes()
    before = path.stat()
    path.write_bytes(pem.replace(b"BEGIN CERTIFICATE", b"BEGIN CERTIFICATF"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len(site.look().complaints) == 1


def test_file_that_changed_just_before_it_was_read_is_read_again(tmp_path: Path) -> None:
    site = Site(tmp_path, "*.pem")
    site.clock.ahead = 0.0
    site.write("a.pem", issue("a").pem)
    site.start()
    site.reads.clear()
    site.look()
    assert site.reads == [f"{tmp_path}/a.pem"]


def test_files_come_and_go(site: Site) -> None:
    site.write("c.pem", issue("c").pem)
    site.look()
    assert [one.names for one in site.store.in_use["default"]] == [("a",), ("b",), ("c",)]
    (site.folder / "a.pem").unlink()
    site.look()
    assert [one.names for one in site.store.in_use["default"]] == [("b",), ("c",)]


def test_certificate_that_stays_is_the_same_value(site: Site) -> None:
    before = site.store.in_use["default"]
    site.write("a.pem", (site.folder / "a.pem").read_bytes())
    assert site.look().certificates["default"] == before


# What is no good


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (b"", "has no certificate (no -----BEGIN CERTIFICATE-----)"),
        (issue("a").certificate_pem + issue("b").key_pem, "has a private key that does not belong to the certificate"),
        (issue("a", days=-3).pem, f"expired on {NOW + timedelta(days=-3, hours=1):%Y-%m-%d %H:%M} UTC"),
        (issue("a", since=3).pem, f"is not valid before {NOW + timedelta(days=3):%Y-%m-%d %H:%M} UTC"),
    ],
)
def test_bad_file_is_refused_with_one_line_and_the_old_one_stays(site: Site, pem: bytes, reason: str) -> None:
    served = site.served
    site.write("a.pem", pem)
    assert site.complaints() == [f"{site.folder}/a.pem: {reason}; the previous one stays in use"]
    assert site.complaints() == []
    assert site.served == served


def test_good_file_after_a_bad_one_is_served(site: Site) -> None:
    site.write("a.pem", b"")
    site.look()
    new = issue("a")
    site.write("a.pem", new.pem)
    assert site.complaints() == []
    assert site.served[0] == der(new)


def test_who_asks_leaves_the_log_its_line(site: Site) -> None:
    site.write("a.pem", b"")
    assert len(site.store.read(site.profiles).complaints) == 1
    assert len(site.complaints()) == 1
    assert site.complaints() == []


def test_file_that_is_bad_again_is_reported_again(site: Site) -> None:
    good = (site.folder / "a.pem").read_bytes()
    lines = []
    for content in (b"", good, b""):
        site.write("a.pem", content)
        lines.append(len(site.complaints()))
    assert lines == [1, 0, 1]


def test_request_gets_the_problem_again(site: Site) -> None:
    site.write("a.pem", b"")
    assert site.complaints() == site.complaints(is_asked=True)


def test_certificate_whose_time_comes_is_served(site: Site) -> None:
    new = issue("a", since=3)
    site.write("a.pem", new.pem)
    site.look()
    site.clock.ahead += timedelta(days=4).total_seconds()
    site.look()
    assert site.served[0] == der(new)


def refusals(site: Site) -> list[tuple[str, str, float]]:
    """What is refused now: the name of the certificate's file, the words, and since when."""
    found = site.store.refusals("default", site.profiles["default"])
    return [(Path(one.path).name, str(one), one.since) for one in found]


def test_refusal_is_known_until_the_file_is_good(site: Site) -> None:
    assert refusals(site) == []
    site.write("a.pem", b"")
    site.look()
    ((name, words, since),) = refusals(site)
    assert name == "a.pem"
    assert since == pytest.approx(site.clock(), abs=30)
    assert "has no certificate" in words
    site.clock.ahead += 100
    site.look()
    assert refusals(site) == [(name, words, since)]
    site.write("a.pem", issue("a").pem)
    site.look()
    assert refusals(site) == []


def test_refused_staple_says_that_it_is_one(site: Site) -> None:
    site.write("a.pem.ocsp", b"no response")
    site.look()
    ((name, words, _),) = refusals(site)
    assert name == "a.pem"
    assert words.startswith(f"OCSP response {site.folder}/a.pem.ocsp: ")


def test_new_file_that_is_no_good_leaves_the_others_alone(site: Site) -> None:
    served = site.served
    site.write("c.pem", b"")
    site.write("d.pem", issue("d", days=-3).pem)
    assert [line.rpartition("; ")[2] for line in site.complaints()] == ["it is not served"] * 2
    assert site.complaints() == []
    assert site.served == served


def test_expired_certificate_is_served_where_there_is_nothing_from_before(tmp_path: Path) -> None:
    site = Site(tmp_path, "a.pem")
    site.write("a.pem", issue("a", days=-3).pem)
    assert len(site.start()) == 1


def test_certificate_that_openssl_refuses_is_left_out(site: Site) -> None:
    served = site.served
    site.write("a.pem", issue("a").pem)

    def objection(profile: str, certificate: Certificate) -> str:
        return f"no {certificate.names[0]} in {profile}"

    (complaint,) = site.look(objection=objection).complaints
    assert str(complaint) == f"{site.folder}/a.pem: no a in default; the previous one stays in use"
    assert site.look(objection=objection).complaints == ()
    assert site.served == served


# Files that are being written


def test_half_written_file_is_given_time(site: Site) -> None:
    site.clock.ahead = 0.0
    new = issue("a")
    (site.folder / "a.pem").write_bytes(new.pem[:300])
    reading = site.look()
    assert (reading.complaints, reading.is_settled) == ((), False)
    (site.folder / "a.pem").write_bytes(new.pem)
    assert site.look().is_settled
    assert site.served[0] == der(new)


def test_half_written_file_that_stays_so_is_reported(site: Site) -> None:
    site.clock.ahead = 0.0
    site.write("a.pem", b"")
    site.look()
    site.clock.ahead = 3.0
    assert len(site.complaints()) == 1


def test_request_gets_a_half_written_file_as_a_problem_at_once(site: Site) -> None:
    site.clock.ahead = 0.0
    site.write("a.pem", b"")
    assert len(site.complaints(is_asked=True)) == 1


def test_file_that_is_gone_for_a_moment_stays(site: Site) -> None:
    site.clock.ahead = 0.0
    (site.folder / "a.pem").unlink()
    assert not site.look().is_settled
    assert len(site.served) == 2
    site.clock.ahead = 3.0
    assert site.look().is_settled
    assert len(site.served) == 1


# Folders


def test_deleted_folder_keeps_its_certificates_until_it_is_back(tmp_path: Path) -> None:
    site = Site(tmp_path / "live", "*/")
    for name in ("a", "b"):
        one = issue(name)
        site.write(f"{name}/fullchain.pem", one.certificate_pem)
        site.write(f"{name}/privkey.pem", one.key_pem)
    site.start()
    served = site.served
    shutil.move(site.folder, tmp_path / "away")
    problem = f"{site.folder}/*/: matches nothing that this user can see; the previous files stay in use"
    assert site.complaints() == [problem]
    assert site.complaints() == []
    assert site.served == served
    shutil.move(tmp_path / "away", site.folder)
    new = issue("a")
    site.write("a/fullchain.pem", new.certificate_pem)
    site.write("a/privkey.pem", new.key_pem)
    assert site.complaints() == []
    assert site.served == [der(new), served[1]]


def test_named_file_that_is_gone_stays(tmp_path: Path) -> None:
    site = Site(tmp_path, "a.pem")
    site.write("a.pem", issue("a").pem)
    site.start()
    served = site.served
    (tmp_path / "a.pem").unlink()
    assert site.complaints() == [f"{tmp_path}/a.pem: does not exist; the previous files stay in use"]
    assert site.served == served


def test_symlinks_of_kubernetes_are_swapped(tmp_path: Path) -> None:
    site = Site(tmp_path, "tls")
    folder = tmp_path / "tls"
    folder.mkdir()
    first, second = issue("a"), issue("a")
    for number, one in enumerate((first, second)):
        data = folder / f"..2026_{number}"
        data.mkdir()
        (data / "tls.crt").write_bytes(one.certificate_pem)
        (data / "tls.key").write_bytes(one.key_pem)
    (folder / "..data").symlink_to("..2026_0")
    for name in ("tls.crt", "tls.key"):
        (folder / name).symlink_to(f"..data/{name}")
    site.start()
    assert site.served == [der(first)]
    (folder / "..data_tmp").symlink_to("..2026_1")
    (folder / "..data_tmp").replace(folder / "..data")
    shutil.rmtree(folder / "..2026_0")
    assert site.complaints() == []
    assert site.served == [der(second)]


def test_pair_that_is_swapped_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    site = Site(tmp_path, "tls")
    first, second = issue("a"), issue("a")
    site.write("tls/tls.crt", first.certificate_pem)
    site.write("tls/tls.key", first.key_pem)

    def swap_behind(path: str) -> bytes:
        data = read_file(path)
        if path.endswith("tls.crt") and data == first.certificate_pem:
            site.write("tls/tls.crt", second.certificate_pem)
            site.write("tls/tls.key", second.key_pem)
        return data

    site.read_file = swap_behind
    (found,) = site.start()
    assert found.encoded[0] == der(second)


# Several profiles, and readings that come to nothing


def test_reading_that_is_not_adopted_is_news_to_the_next_one(site: Site) -> None:
    served = site.served
    new = issue("a")
    site.write("a.pem", new.pem)
    site.store.read(site.profiles)
    assert site.served == served
    site.look()
    assert site.served[0] == der(new)


def test_profiles_that_share_files_read_them_once(tmp_path: Path) -> None:
    site = Site(tmp_path, "*.pem")
    site.write("a.pem", issue("a").pem)
    site.profiles["other"] = site.profiles["default"]
    reading = site.store.read(site.profiles)
    assert len(site.reads) == 1
    assert reading.certificates["default"] == reading.certificates["other"]


def test_what_no_profile_names_is_forgotten(site: Site) -> None:
    site.store.adopt({}, {"default": (f"{site.folder}/a.pem",)})
    assert site.store.paths == set()


def test_memory_does_not_grow_with_files_that_come_and_go(site: Site) -> None:
    for number in range(20):
        path = site.write(f"{number}.pem", issue(str(number)).pem)
        site.look()
        path.unlink()
    site.look()
    assert len(site.store.paths) == 2


def test_reading_goes_step_by_step(site: Site) -> None:
    steps = site.store.reading(site.profiles, is_asked=False)
    assert sum(1 for _ in steps) >= 2
