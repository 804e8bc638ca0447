"""`user` and `group`: who a service is that root has started, and what it may still do."""

import os
import shutil
import signal
import socket
import ssl
import stat
from pathlib import Path

import pytest

import mailproxy
import twisted
from mailproxy.control.call import Call
from tests.interop.certificates import SERVER_NAME, Certificates
from tests.interop.clients import connect_tls, read_line
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import RUN, Front, launch, single
from tests.interop.recorder import GREETING, Recorded, Recorder, echo

NOBODY = 65534
BIND_SERVICE = 1 << 10
READ_SEARCH = 1 << 2

root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def is_open_to_all(path: Path) -> bool:
    """Whether every user may read a file, and enter the folders above."""
    return bool(path.stat().st_mode & stat.S_IROTH) and all(one.stat().st_mode & stat.S_IXOTH for one in path.parents)


# Without workers the process has no right to read what its user may not.
readable = pytest.mark.skipif(
    not all(is_open_to_all(Path(str(module.__file__))) for module in (os, twisted, mailproxy)),
    reason="needs Python and mailproxy where every user can read them",
)


@pytest.fixture
def backend(recorder: StartRecorder) -> Recorder:
    return recorder(echo())


def status(pid: int, name: str) -> str:
    """A line of what the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:"))


def serves(port: int, pki: Certificates) -> bool:
    with connect_tls(port, pki.client()) as connection:
        return read_line(connection) == GREETING


@pytest.fixture
def secret(folder: Path, pki: Certificates) -> Path:
    """A certificate whose key only root may read, in a folder that only root may enter."""
    (folder / "private").mkdir(mode=0o700)
    path = folder / "private" / "mail.pem"
    shutil.copy(pki.server_ec, path)
    path.chmod(0o600)
    return path


@pytest.fixture
def run(folder: Path) -> Path:
    """A folder of the user's."""
    folder.chmod(0o755)
    path = folder / "run"
    path.mkdir()
    os.chown(path, NOBODY, NOBODY)
    return path


def started(front: StartFront, configuration: dict[str, object], workers: int) -> Front:
    return front({"user": "nobody", "group": "nogroup", "workers": workers} | configuration)


@root
@pytest.mark.parametrize("workers", [pytest.param(0, marks=readable), 2])
def test_every_process_is_the_user_and_has_few_capabilities(
    front: StartFront, pki: Certificates, secret: Path, backend: Recorder, workers: int
) -> None:
    configuration, port = single(secret, backend.port)
    running = started(front, configuration, workers)
    assert serves(port, pki)
    main, *others = running.process.family()
    assert len(others) == (0 if workers == 0 else 2 + workers)
    for pid in (main, *others):
        assert set(status(pid, "Uid").split()) == {str(NOBODY)}
        assert set(status(pid, "Gid").split()) == {str(NOBODY)}
        assert status(pid, "NoNewPrivs") == "1"
        rights = BIND_SERVICE if workers == 0 else BIND_SERVICE | READ_SEARCH
        assert int(status(pid, "CapPrm"), 16) == (rights if pid == main else 0)
        assert int(status(pid, "CapEff"), 16) == (rights if pid == main else 0)
    if workers:
        assert {Path(f"/proc/{pid}/comm").read_text().strip() for pid in others} == {
            "mailproxy-fork",
            "mailproxy-w0",
            "mailproxy-w1",
        }


@root
@pytest.mark.parametrize("workers", [pytest.param(0, marks=readable), 2])
def test_administrators_and_the_files_of_sockets_are_the_users(
    front: StartFront, pki: Certificates, run: Path, backend: Recorder, workers: int
) -> None:
    configuration, _ = single(pki.server_ec, backend.port)
    configuration["admin"] = {"socket": str(run / "admin.sock")}
    configuration["frontend"]["front"]["bind"].append(str(run / "front.sock"))
    os.chmod(pki.server_ec.parent, 0o755)
    running = started(front, configuration, workers)
    with Call(str(run / "admin.sock")) as call:
        assert call.pid == running.process.pid
    assert {(run / name).stat().st_uid for name in ("admin.sock", "front.sock")} == {NOBODY}
    running.terminate()
    running.wait()
    assert list(run.iterdir()) == []


@root
@readable
def test_sockets_are_made_with_the_rights_of_the_user_alone(
    pki: Certificates, folder: Path, run: Path, backend: Recorder
) -> None:
    os.chmod(pki.server_ec.parent, 0o755)
    (folder / "closed").mkdir(mode=0o755)
    (run / "link").symlink_to(folder / "closed")
    configuration, _ = single(pki.server_ec, backend.port)
    configuration["frontend"]["front"]["bind"].append(str(run / "link" / "front.sock"))
    with launch(folder, {"user": "nobody", "group": "nogroup"} | configuration) as process:
        assert process.wait() == 1
        assert "front.sock: Permission denied" in process.stderr
    assert list((folder / "closed").iterdir()) == []


@root
def test_key_for_root_alone_is_renewed_with_workers(
    front: StartFront, pki: Certificates, secret: Path, backend: Recorder
) -> None:
    configuration, port = single(secret, backend.port)
    running = started(front, configuration, 2)
    assert not running.events(event="warning")
    shutil.copy(pki.server_rsa, secret.with_suffix(".new"))
    secret.with_suffix(".new").chmod(0o600)
    secret.with_suffix(".new").rename(secret)
    running.reload()
    assert any("mail.pem renewed" in event["message"] for event in running.events(event="change"))
    assert serves(port, pki)


@root
def test_files_of_tls_to_servers_are_for_root_alone_with_workers(
    front: StartFront, pki: Certificates, recorder: StartRecorder, folder: Path
) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(pki.server_ec)
    server_side.load_verify_locations(pki.authority)
    server_side.verify_mode = ssl.CERT_REQUIRED

    def greet(recorded: Recorded) -> None:
        with server_side.wrap_socket(recorded.socket, server_side=True) as connection:
            connection.sendall(GREETING)
            connection.recv(1)

    files = {}
    for key, original in (("ca", pki.authority), ("certificate", pki.front)):
        path = folder / f"{key}.pem"
        shutil.copy(original, path)
        path.chmod(0o600)
        files[key] = str(path)
    server = recorder(greet, header=False)
    configuration, port = single(pki.server_ec, server.port, backend_send_proxy="none")
    os.chmod(pki.server_ec.parent, 0o755)
    configuration["backend"]["recorder"]["server"]["only"]["tls"] = files | {"verify-name": SERVER_NAME}
    running = started(front, configuration, 2)
    assert serves(port, pki)
    running.reload()
    assert serves(port, pki)
    killed = [event["pid"] for event in running.until_events(2, event="worker")]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    running.until_events(2 * len(killed), event="worker")  # those in place of the killed ones
    assert serves(port, pki)


@root
def test_folder_of_certificates_that_the_user_may_write_to_is_a_warning(
    front: StartFront, pki: Certificates, run: Path, backend: Recorder
) -> None:
    shutil.copy(pki.server_ec, run / "mail.pem")
    (run / "mail.pem").chmod(0o600)
    configuration, _ = single(run / "mail.pem", backend.port)
    running = started(front, configuration, 2)
    (warning,) = running.events(event="warning")
    assert f"the folder {run} is writable by user nobody" in warning["warning"]


@root
@readable
def test_key_for_root_alone_is_a_warning_without_workers(
    front: StartFront, pki: Certificates, secret: Path, backend: Recorder
) -> None:
    configuration, port = single(secret, backend.port)
    running = started(front, configuration, 0)
    (warning,) = running.events(event="warning")
    assert "this process cannot read its key any more (Permission denied): it is not renewed" in warning["warning"]
    assert serves(port, pki)


@root
@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"user": "no-such-user"}, 'user: is "no-such-user", and this machine has no such user; '),
        ({"user": "nobody", "group": "no-such-group"}, 'group: is "no-such-group", and this machine has no such group'),
    ],
)
def test_user_that_there_is_not_is_status_1_and_a_line(
    folder: Path, pki: Certificates, backend: Recorder, keys: dict[str, str], problem: str
) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    with launch(folder, keys | configuration) as process:
        assert process.wait() == 1
        assert process.stderr.startswith(problem)
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass


@root
def test_user_who_cannot_read_the_modules_is_status_1_and_a_line(
    folder: Path, pki: Certificates, run: Path, backend: Recorder
) -> None:
    closed = folder / "closed"
    shutil.copytree(Path(mailproxy.__file__).parent, closed / "mailproxy")
    closed.chmod(0o700)
    configuration, _ = single(pki.server_ec, backend.port)
    configuration |= {"user": "nobody", "group": "nogroup", "admin": {"socket": str(run / "admin.sock")}}
    with launch(folder, configuration, environment={"PYTHONPATH": str(closed)}) as process:
        assert process.wait() == 1
        (line,) = process.stderr.splitlines()
    assert line.startswith('user: is "nobody", who cannot read the modules of Python and mailproxy')
    assert line.endswith("install both where every user can read them, such as in /opt, or set workers = 1")
    assert list(run.iterdir()) == []


@root
def test_who_is_not_root_cannot_become_another(folder: Path, pki: Certificates, backend: Recorder) -> None:
    folder.chmod(0o777)
    configuration, _ = single(pki.server_ec, backend.port)
    as_nobody = ("setpriv", "--reuid=nobody", "--clear-groups", "--regid=nogroup")
    with launch(folder, {"user": "daemon"} | configuration, (*as_nobody, *RUN)) as process:
        assert process.wait() == 1
        assert process.stderr.startswith('user: is "daemon", and only root can become another user; this is user 65534')


def test_credentials_of_systemd_are_in_paths(
    front: StartFront, pki: Certificates, folder: Path, backend: Recorder
) -> None:
    shutil.copy(pki.server_ec, folder / "mail.pem")
    configuration, port = single(Path("${CREDENTIALS_DIRECTORY}/mail.pem"), backend.port)
    front(configuration, environment={"CREDENTIALS_DIRECTORY": str(folder)})
    assert serves(port, pki)
