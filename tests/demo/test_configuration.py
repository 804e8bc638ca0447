"""The demo's configuration file."""

from pathlib import Path

from mailproxy.config import InetBind, load
from mailproxy.demo.certificates import Certificates
from mailproxy.demo.configuration import Ports, write


def test_file_is_a_configuration_with_these_ports(tmp_path: Path) -> None:
    files = Certificates(*(tmp_path / name for name in ("server.pem", "trusted.pem", "client.pem", "client-ca.pem")))
    settings = load(write(tmp_path, files, fronts=Ports(993, 995, 24), backends=Ports(10143, 10110, 10024)))
    binds = {frontend.protocol: frontend.bind for frontend in settings.frontends}
    ports = {protocol: bind.port for protocol, (bind,) in binds.items() if isinstance(bind, InetBind)}
    assert ports == {"imap": 993, "pop3": 995, "lmtp": 24}
    assert settings.backends["demo"].ports == {"imap": 10143, "pop3": 10110, "lmtp": 10024}


def test_client_certificates_are_welcome(tmp_path: Path) -> None:
    files = Certificates(*(tmp_path / name for name in ("server.pem", "trusted.pem", "client.pem", "client-ca.pem")))
    settings = load(write(tmp_path, files, fronts=Ports(993, 995, 24), backends=Ports(10143, 10110, 10024)))
    assert settings.tls["default"].client_certificates == "optional"
    assert settings.backends["demo"].send_proxy == "v2-ssl-cn"
