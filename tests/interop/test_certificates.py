"""Certificates that renew under a running process, as certbot, Kubernetes and people with an editor do it."""

from __future__ import annotations

import shutil
import signal
import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.interop.certificates import SERVER_NAME
from tests.interop.clients import connect_tls, read_line
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import Front, single
from tests.interop.recorder import GREETING, Recorder, echo
from tests.interop.timing import limit, seconds_of
from tests.interop.waiting import PATIENCE_SECONDS, until
from tests.tls.issue import Issued, issue, rsa_key
from tests.tls.staples import staple

OTHER = "other.example.org"
AUTHORITY = issue(common_name="authority", authority=True)
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13], ids=["TLS 1.2", "TLS 1.3"])


class Site:
    """A folder with certificates, mailproxy that watches it, and clients."""

    def __init__(self, folder: Path, start: StartFront, backend: Recorder, entry: str, **keys: object) -> None:
        self.folder = folder
        configuration, self.port = single(folder / entry, backend.port)
        configuration["tls"]["default"] |= keys
        self.front: Front = start({"watch": "1s", **configuration})

    def client(self, version: ssl.TLSVersion = TLS13) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=AUTHORITY.certificate_pem.decode())
        context.minimum_version = context.maximum_version = version
        return context

    def connect(
        self, context: ssl.SSLContext, server_name: str = SERVER_NAME, session: ssl.SSLSession | None = None
    ) -> ssl.SSLSocket:
        connection = connect_tls(self.port, context, server_name=server_name, session=session)
        assert read_line(connection) == GREETING
        return connection

    def served(self, server_name: str = SERVER_NAME, context: ssl.SSLContext | None = None) -> bytes:
        context = context or self.client()
        context.check_hostname = False
        with self.connect(context, server_name) as connection:
            found = connection.getpeercert(binary_form=True)
        assert found is not None
        return found

    def until_served(self, issued: Issued, server_name: str = SERVER_NAME) -> None:
        until(lambda: self.served(server_name) == der(issued), "the renewed certificate", pause=0.2)

    def s_client(self, *options: str) -> str:
        """What openssl's client says."""
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", *options],
            input="",
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        return done.stdout + done.stderr


def der(issued: Issued) -> bytes:
    return issued.certificate.public_bytes(Encoding.DER)


def certificate(*names: str, is_rsa: bool = False) -> Issued:
    return issue(*(names or (SERVER_NAME,)), issuer=AUTHORITY, key=rsa_key() if is_rsa else None)


def write(path: Path, content: bytes) -> None:
    """Replace a file by renaming another one, as ACME clients do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.touch(mode=0o600)
    new.write_bytes(content)
    new.replace(path)


def write_pem(path: Path, issued: Issued) -> None:
    write(path, issued.pem + AUTHORITY.certificate_pem)


def write_folder(folder: Path, issued: Issued, names: tuple[str, str] = ("fullchain.pem", "privkey.pem")) -> None:
    write(folder / names[1], issued.key_pem)
    write(folder / names[0], issued.certificate_pem + AUTHORITY.certificate_pem)


@pytest.fixture
def backend(recorder: StartRecorder) -> Recorder:
    return recorder(echo())


@VERSIONS
def test_renewal_disturbs_no_session_and_tickets_stay_good(
    folder: Path, front: StartFront, backend: Recorder, version: ssl.TLSVersion
) -> None:
    write_pem(folder / "mail.pem", certificate())
    site = Site(folder, front, backend, "*.pem")
    context = site.client(version)
    with site.connect(context) as living:
        session = living.session
        new = certificate()
        write_pem(folder / "mail.pem", new)
        site.until_served(new)
        with site.connect(context, session=session) as resumed:
            assert resumed.session_reused
        living.sendall(b"a NOOP\r\n")
        assert read_line(living) == b"a NOOP\r\n"
    site.front.event(event="certificate")
    (event,) = site.front.all_events(event="certificate")
    assert (event["news"], event["names"], event["path"]) == ("renewed", SERVER_NAME, str(folder / "mail.pem"))


def test_bad_file_is_refused_with_one_line_and_the_old_one_stays(
    folder: Path, front: StartFront, backend: Recorder
) -> None:
    old = certificate()
    write_pem(folder / "mail.pem", old)
    site = Site(folder, front, backend, "mail.pem")
    write(folder / "mail.pem", old.certificate_pem + certificate().key_pem)
    site.front.event(event="certificate-refused")
    assert site.served() == der(old)
    new = certificate()
    write_pem(folder / "mail.pem", new)
    site.until_served(new)
    (event,) = site.front.all_events(event="certificate-refused")
    assert event["problem"] == (
        f"{folder}/mail.pem: has a private key that does not belong to the certificate; the previous one stays in use"
    )


def test_deleted_folder_keeps_its_certificates_until_it_is_back(
    folder: Path, front: StartFront, backend: Recorder
) -> None:
    live = folder / "live"
    old, other = certificate(), certificate(OTHER)
    write_folder(live / SERVER_NAME, old)
    write_folder(live / OTHER, other)
    site = Site(folder, front, backend, "live/*/")
    live.rename(folder / "gone")  # all of it at once: each part that is missed has a line
    site.front.event(event="certificate-refused")
    assert (site.served(), site.served(OTHER)) == (der(old), der(other))
    new = certificate()
    write_folder(folder / "next" / SERVER_NAME, new)
    write_folder(folder / "next" / OTHER, other)
    (folder / "next").rename(live)
    site.until_served(new)
    assert site.served(OTHER) == der(other)
    assert len(site.front.all_events(event="certificate-refused")) == 1


def test_symlinks_of_kubernetes_are_swapped(folder: Path, front: StartFront, backend: Recorder) -> None:
    mount = folder / "tls"
    old, new = certificate(), certificate()
    write_folder(mount / "..1", old, ("tls.crt", "tls.key"))
    (mount / "..data").symlink_to("..1")
    for name in ("tls.crt", "tls.key"):
        (mount / name).symlink_to(f"..data/{name}")
    site = Site(folder, front, backend, "tls")
    assert site.served() == der(old)
    write_folder(mount / "..2", new, ("tls.crt", "tls.key"))
    (mount / "..data_tmp").symlink_to("..2")
    (mount / "..data_tmp").replace(mount / "..data")
    shutil.rmtree(mount / "..1")
    site.until_served(new)
    assert site.front.all_events(event="certificate-refused") == []


def test_file_that_is_added_is_served_and_one_that_is_removed_is_not(
    folder: Path, front: StartFront, backend: Recorder
) -> None:
    first, second = certificate(), certificate(OTHER)
    write_pem(folder / "a.pem", first)
    site = Site(folder, front, backend, "*.pem")
    assert site.served(OTHER) == der(first)
    write_pem(folder / "b.pem", second)
    site.until_served(second, OTHER)
    (folder / "b.pem").unlink()
    site.until_served(first, OTHER)
    site.front.until_events(2, event="certificate")
    assert [event["news"] for event in site.front.all_events(event="certificate")] == ["added", "removed"]


def test_reload_reads_what_is_there_at_once(folder: Path, front: StartFront, backend: Recorder) -> None:
    write_pem(folder / "mail.pem", certificate())
    site = Site(folder, front, backend, "*.pem", watch="0s")
    new = certificate()
    write_pem(folder / "mail.pem", new)
    site.front.process.send(signal.SIGHUP)
    site.until_served(new)


@VERSIONS
def test_client_that_can_take_both_gets_ecdsa(
    folder: Path, front: StartFront, backend: Recorder, version: ssl.TLSVersion
) -> None:
    ecdsa, rsa = certificate(), certificate(is_rsa=True)
    write_pem(folder / "1.pem", rsa)
    write_pem(folder / "2.pem", ecdsa)
    site = Site(folder, front, backend, "*.pem")
    assert site.served(context=site.client(version)) == der(ecdsa)
    name = "-tls1_2" if version is TLS12 else "-tls1_3"
    printed = site.s_client("-servername", SERVER_NAME, name, "-sigalgs", "rsa_pss_rsae_sha256:rsa_pkcs1_sha256")
    assert "Peer signature type: RSA" in printed


def test_client_that_asks_for_a_name_that_no_certificate_has_is_refused(
    folder: Path, front: StartFront, backend: Recorder
) -> None:
    write_pem(folder / "mail.pem", certificate())
    site = Site(folder, front, backend, "mail.pem", **{"strict-sni": True})
    assert "unrecognized name" in site.s_client("-servername", OTHER)
    assert "unrecognized name" in site.s_client("-noservername", "-tls1_2")
    assert "Verification" in site.s_client("-servername", SERVER_NAME)
    reason = f"TLS handshake: the client asks for {OTHER}, which no certificate is for, and the profile has strict-sni"
    until(lambda: reason in site.front.output, "the reason in the log")


@VERSIONS
def test_staple_is_seen_and_renewed(
    folder: Path, front: StartFront, backend: Recorder, version: ssl.TLSVersion
) -> None:
    mail = certificate()
    write_pem(folder / "mail.pem", mail)
    site = Site(folder, front, backend, "mail.pem")
    name = "-tls1_2" if version is TLS12 else "-tls1_3"

    def status() -> str:
        return site.s_client("-servername", SERVER_NAME, "-status", name)

    assert "OCSP response: no response sent" in status()
    write(folder / "mail.pem.ocsp", staple(mail, AUTHORITY))
    until(lambda: "OCSP Response Status: successful" in status(), "the OCSP response", pause=0.2)
    assert "Cert Status: good" in status()
    write(folder / "mail.pem.ocsp", staple(certificate(), AUTHORITY))
    event = site.front.event(event="staple-refused")
    assert event["problem"].startswith(f"{folder}/mail.pem.ocsp: is about another certificate; ")
    assert "Cert Status: good" in status()
    (folder / "mail.pem.ocsp").unlink()
    until(lambda: "OCSP response: no response sent" in status(), "no OCSP response", pause=0.2)


def test_sessions_continue_while_many_certificates_are_looked_at(
    folder: Path, front: StartFront, backend: Recorder
) -> None:
    """With 500 certificates that all renew, no client waits long."""
    key = certificate().key
    for number in range(500):
        write_pem(folder / f"{number:03}.pem", issue(f"{number}.example.org", issuer=AUTHORITY, key=key))
    site = Site(folder, front, backend, "*.pem", watch="1s")
    context = site.client()
    with site.connect(context, "7.example.org") as living:

        def speak() -> None:
            living.sendall(b"a NOOP\r\n")
            assert read_line(living) == b"a NOOP\r\n"

        at_most = limit(1.0, speak)
        for number in range(500):
            write_pem(folder / f"{number:03}.pem", issue(f"{number}.example.org", issuer=AUTHORITY, key=key))
        longest = 0.0
        while len(site.front.events(event="certificate")) < 500:
            longest = max(longest, seconds_of(speak))
    assert longest < at_most
