"""Fixtures for the peers; a peer of one test stops with the test, a shared peer with the test run."""

import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.interop import certificates, peers, ports
from tests.interop.certificates import Certificates
from tests.interop.dovecot import PROTOCOLS, Dovecot
from tests.interop.forked import FORK_SERVER
from tests.interop.front import Front, Table
from tests.interop.haproxy import HAProxy
from tests.interop.pool import Pool
from tests.interop.ports import free_port
from tests.interop.recorder import Behaviour, Recorder
from tests.interop.relay import Relay

# The files that take longest, whatever the number of their tests.
LONGEST = (
    *("test_testssl", "test_start", "test_workers", "test_bans", "test_log_targets", "test_demo", "test_systemd"),
    *(
        "test_ctl",
        "test_check_connect",
        "test_stats_page",
        "test_clock",
        "test_checks",
        "test_exhaustion",
        "test_pools",
    ),
    *("test_fail2ban", "test_pool_health", "test_postfix", "test_admin_http", "test_silent_clients", "test_takeover"),
    *("test_reload", "test_rules", "test_source_limits", "test_limits", "test_floods", "test_upheaval"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest files begin first: at the end, no process has to wait for one."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


class StartFront(Protocol):
    """Starts mailproxy with a configuration."""

    def __call__(self, configuration: Table, **options: Any) -> Front: ...


class StartRecorder(Protocol):
    """Starts a recording backend that behaves as told."""

    def __call__(self, behave: Behaviour, **options: Any) -> Recorder: ...


StartHAProxy = Callable[[list[int], str], HAProxy]


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder with a short path, for UNIX sockets (108 bytes at most); the paths of pytest's folders are too long."""
    folder = Path(tempfile.mkdtemp(prefix="mp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session", autouse=True)
def _reserved_ports() -> Iterator[None]:
    yield
    ports.release_all()


@pytest.fixture(scope="session", autouse=True)
def _enough_descriptors() -> None:
    """Raise the soft limit: every port that was handed out stays reserved, which takes two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture(scope="session", autouse=True)
def _fork_server() -> Iterator[None]:
    yield
    FORK_SERVER.stop()


@pytest.fixture(scope="session")
def pki() -> Iterator[Certificates]:
    with short_folder() as folder:
        yield certificates.make(folder)


@pytest.fixture(scope="session")
def relay() -> Iterator[Relay]:
    with closing(Relay()) as relay:
        yield relay


def _dovecot(
    profile: str, relay: Relay, certificate: Path | None = None, authority: Path | None = None
) -> Iterator[Dovecot]:
    peers.need(*peers.DOVECOT)
    with short_folder() as folder, closing(Dovecot(folder, profile, relay.port, certificate, authority)) as dovecot:
        yield dovecot


@pytest.fixture(scope="session")
def dovecot(relay: Relay) -> Iterator[Dovecot]:
    """Dovecot that takes passwords over what the PROXY header calls TLS."""
    yield from _dovecot("passwords", relay)


@pytest.fixture(scope="session")
def certificate_dovecot(relay: Relay, pki: Certificates) -> Iterator[Dovecot]:
    """Dovecot that takes the common name of the client's certificate for the user name."""
    yield from _dovecot("certificates", relay, pki.server_rsa)


@pytest.fixture(scope="session")
def tls_dovecot(relay: Relay, pki: Certificates) -> Iterator[Dovecot]:
    """Like `dovecot`, with its own TLS (``ssl = yes``), after the header as well as for direct clients."""
    yield from _dovecot("passwords", relay, pki.server_rsa)


@pytest.fixture(scope="session")
def dovecots(relay: Relay) -> Iterator[Mapping[str, Dovecot]]:
    """Three Dovecots with the same ports, each on an address of its own."""
    peers.need(*peers.DOVECOT)
    ports = {protocol: free_port() for protocol in PROTOCOLS}
    with ExitStack() as stack:
        started = {}
        for number in (1, 2, 3):
            folder = stack.enter_context(short_folder())
            dovecot = Dovecot(folder, "passwords", relay.port, host=f"127.0.0.{100 + number}", ports=ports)
            started[f"d{number}"] = stack.enter_context(closing(dovecot))
        yield started


@pytest.fixture(scope="session")
def cautious_dovecot(relay: Relay, pki: Certificates) -> Iterator[Dovecot]:
    """As `tls_dovecot`, but it requires a client certificate."""
    yield from _dovecot("known-fronts", relay, pki.server_ec, pki.authority)


@pytest.fixture(scope="session")
def expired_dovecot(relay: Relay, pki: Certificates) -> Iterator[Dovecot]:
    """As `tls_dovecot`, with a certificate that has expired."""
    yield from _dovecot("passwords", relay, pki.server_expired)


@pytest.fixture(scope="session")
def self_signed_dovecot(relay: Relay, pki: Certificates) -> Iterator[Dovecot]:
    """Like `tls_dovecot`, with a self-signed certificate."""
    yield from _dovecot("passwords", relay, pki.server_self_signed)


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@contextmanager
def starting_fronts() -> Iterator[StartFront]:
    """Starts mailproxy processes, each in a folder of its own, and ends them."""
    with ExitStack() as stack:

        def start(configuration: Table, **options: Any) -> Front:
            folder = stack.enter_context(short_folder())
            return stack.enter_context(Front(folder, configuration, **options))

        yield start


@pytest.fixture
def front() -> Iterator[StartFront]:
    with starting_fronts() as start:
        yield start


@pytest.fixture(scope="module")
def module_front() -> Iterator[StartFront]:
    """As `front`, for fronts that all tests of a module share."""
    with starting_fronts() as start:
        yield start


@contextmanager
def starting_recorders() -> Iterator[StartRecorder]:
    """Starts recording backends and ends them."""
    with ExitStack() as stack:

        def start(behave: Behaviour, **options: Any) -> Recorder:
            return stack.enter_context(closing(Recorder(behave, **options)))

        yield start


@pytest.fixture
def recorder() -> Iterator[StartRecorder]:
    with starting_recorders() as start:
        yield start


@pytest.fixture(scope="module")
def module_recorder() -> Iterator[StartRecorder]:
    """As `recorder`, for backends that all tests of a module share."""
    with starting_recorders() as start:
        yield start


class StartPool(Protocol):
    """Starts a pool of recording backends and mailproxy before it."""

    def __call__(self, servers: Mapping[str, Table], **options: Any) -> Pool: ...


@pytest.fixture
def pool(front: StartFront) -> Iterator[StartPool]:
    with ExitStack() as stack:

        def start(servers: Mapping[str, Table], **options: Any) -> Pool:
            return Pool(stack, front, servers, **options)

        yield start


@contextmanager
def starting_haproxies() -> Iterator[StartHAProxy]:
    """Starts HAProxy processes and ends them."""
    peers.need("haproxy")
    with ExitStack() as stack:

        def start(ports: list[int], sections: str) -> HAProxy:
            folder = stack.enter_context(short_folder())
            return stack.enter_context(closing(HAProxy(folder, ports, sections)))

        yield start


@pytest.fixture
def haproxy() -> Iterator[StartHAProxy]:
    with starting_haproxies() as start:
        yield start


@pytest.fixture(scope="module")
def module_haproxy() -> Iterator[StartHAProxy]:
    """Like `haproxy`, shared by all tests of a module."""
    with starting_haproxies() as start:
        yield start
