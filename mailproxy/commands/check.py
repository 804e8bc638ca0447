"""Reads a configuration, certificates included, and reports every error at once."""

import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime

from mailproxy.config import DEFAULT_FILE, Backend, ConfigError, Frontend, load, remarks
from mailproxy.session.prepare import prepare
from mailproxy.tls.certificates import Certificate
from mailproxy.tls.files import validity_warnings


def configure(parser: ArgumentParser) -> None:
    """Name the arguments."""
    parser.add_argument("-c", "--config", metavar="FILE", default=DEFAULT_FILE, help="default: %(default)s")


def run(arguments: Namespace) -> int:
    """Print every problem on stderr and return 1, or what would listen where on stdout and return 0."""
    try:
        config = load(arguments.config)
        certificates = prepare(config, arguments.config).certificates
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    now = datetime.now(UTC)
    print(f"{arguments.config}: good")
    for frontend in config.frontends:
        print(_frontend_line(frontend, config.backends[frontend.backend]))
    for name, found in certificates.items():
        for certificate in found:
            print(f"tls {name}: {_certificate_line(certificate, now)}")
    for warning in (*validity_warnings(certificates, now), *remarks(config)):
        print(f"warning: {warning}", file=sys.stderr)
    return 0


def _frontend_line(frontend: Frontend, backend: Backend) -> str:
    tls = "no TLS" if frontend.tls_profile is None else f"TLS profile {frontend.tls_profile}"
    binds = ", ".join(map(str, frontend.bind))
    servers = ", then ".join(
        f"{server.name} {backend.address(server, frontend.protocol)}" for server in backend.servers
    )
    header = "no PROXY header" if backend.send_proxy == "none" else f"send-proxy {backend.send_proxy}"
    return (
        f"frontend {frontend.name}: {frontend.protocol} on {binds}, {tls}; backend {backend.name}: {servers}, {header}"
    )


def _certificate_line(certificate: Certificate, now: datetime) -> str:
    names = ", ".join(certificate.names) or "no name"
    kind = certificate.key_alg or certificate.sig_alg
    days = (certificate.not_after - now).days
    return f"{certificate.path}: {names}; {kind}; {days} days left, until {certificate.not_after:%Y-%m-%d}"
