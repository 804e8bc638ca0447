"""The demo's configuration file."""

from pathlib import Path

import pytest

from mailproxy.config import Config, InetBind, load
from mailproxy.demo.certificates import Certificates
from mailproxy.demo.configuration import write
from mailproxy.demo.ports import PROTOCOLS, Ports


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    files = Certificates(*(tmp_path / name for name in ("server.pem", "ca.pem", "alice.pem", "clients-ca.pem")))
    return load(write(tmp_path, files, Ports(10000), "dovecot"))


def binds(settings: Config, tls: str) -> dict[str, int]:
    """The port by protocol."""
    frontends = [frontend for frontend in settings.frontends if frontend.tls == tls]
    bound = {frontend.protocol: frontend.bind[0] for frontend in frontends}
    return {protocol: bind.port for protocol, bind in bound.items() if isinstance(bind, InetBind)}


def test_every_protocol_has_both_kinds_of_tls(settings: Config) -> None:
    assert binds(settings, "implicit") == Ports(10000).implicit
    assert binds(settings, "starttls") == Ports(10000).starttls
    assert set(Ports(10000).implicit) == set(PROTOCOLS)


def test_both_servers_are_checked(settings: Config) -> None:
    backend = settings.backends["demo"]
    assert [server.name for server in backend.servers] == ["d1", "d2"]
    assert {server.check.type for server in backend.servers} == {"mail"}
    assert backend.ports == Ports(10000).servers


def test_profile_is_the_servers(settings: Config) -> None:
    assert settings.backends["demo"].profile == "dovecot"


def test_client_certificates_are_welcome(settings: Config) -> None:
    assert settings.tls["default"].client_certificates == "optional"
    assert settings.backends["demo"].send_proxy == "v2-ssl-cn"
