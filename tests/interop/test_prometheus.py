"""The files for Prometheus and Grafana in etc/, read by promtool, and by a Prometheus that scrapes a service."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.interop import peers
from tests.interop.certificates import Certificates
from tests.interop.clients import connect, connect_tls, read_line
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import single
from tests.interop.http import curl
from tests.interop.ports import free_port
from tests.interop.process import Process
from tests.interop.recorder import GREETING, echo
from tests.interop.waiting import until
from tests.metrics.test_etc import DASHBOARD, ETC, PANELS

QUIET = {"Clients by rule", "STARTTLS dialogues", "PROXY headers", "Reloads"}
"""What has no data in a service without such features, or with nothing of the kind yet."""

VARIABLES = {"$__rate_interval": "5m", "$instance": ".*", "$frontend": ".*", "$backend": ".*"}


@pytest.fixture(scope="module", autouse=True)
def need_promtool() -> None:
    peers.need("promtool", "prometheus")


def promtool(*arguments: str | Path, folder: Path = ETC / "prometheus") -> str:
    """What promtool says; it has to be content."""
    done = subprocess.run(
        [peers.path("promtool"), *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_alerts_are_rules() -> None:
    assert "SUCCESS: " in promtool("check", "rules", "--lint=all", "--lint-fatal", "alerts.yml")


def test_alerts_fire_when_they_should_alone() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts.test.yml")


def test_alert_that_never_fires_fails_its_test(tmp_path: Path) -> None:
    for name in ("alerts.yml", "alerts.test.yml"):
        shutil.copy(ETC / "prometheus" / name, tmp_path)
    alerts = tmp_path / "alerts.yml"
    alerts.write_text(alerts.read_text().replace("mailproxy_backend_up == 0", "mailproxy_backend_up == 2"))
    with pytest.raises(AssertionError, match="MailproxyBackendWithoutServer"):
        promtool("test", "rules", "alerts.test.yml", folder=tmp_path)


def expressions() -> Iterator[tuple[str, str]]:
    """Each expression of the dashboard, with its panel's title, as Grafana asks it."""
    found: list[tuple[str, Any]] = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
    found += [(note["name"], note["expr"]) for note in DASHBOARD["annotations"]["list"]]
    for title, expression in found:
        for variable, value in VARIABLES.items():
            expression = expression.replace(variable, value)
        assert "$" not in expression, expression
        yield title, expression


def test_expressions_of_the_dashboard_are_read(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}:{re.sub('[^a-z]+', '_', title.lower())}", "expr": expression}
        for number, (title, expression) in enumerate(expressions())
    ]
    # JSON is YAML as well.
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"SUCCESS: {len(rules)} rules found" in promtool("check", "rules", "panels.yml", folder=tmp_path)


class Prometheus:
    """A Prometheus that scrapes one service each second, with our alerts."""

    def __init__(self, folder: Path, target: int) -> None:
        self._port = free_port()
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ETC / "prometheus" / "alerts.yml")],
            "scrape_configs": [{"job_name": "mailproxy", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}],
        }
        (folder / "prometheus.yml").write_text(json.dumps(configuration))
        self.process = Process(
            [
                peers.path("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
            ],
            folder,
        )
        self.process.until_listening([self._port])
        # It listens before it can answer, and refuses questions until then.
        until(lambda: " Ready" in curl(f"http://127.0.0.1:{self._port}/-/ready").stdout, "Prometheus to be ready")

    def ask(self, path: str, **arguments: str) -> Any:
        """What the API answers."""
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urlencode(arguments)}"
        done = curl(url)
        answer = json.loads(done.stdout)
        assert answer["status"] == "success", (arguments, answer)
        return answer["data"]

    def alerts(self) -> list[str]:
        """The names of alerts that fire, or will if what they are about goes on."""
        return [alert["labels"]["alertname"] for alert in self.ask("alerts")["alerts"]]

    def values(self, expression: str) -> list[float]:
        """The values of an expression now."""
        return [float(one["value"][1]) for one in self.ask("query", query=expression)["result"]]


def test_real_prometheus_has_data_for_the_dashboard_and_no_alert(
    front: StartFront, recorder: StartRecorder, pki: Certificates, folder: Path
) -> None:
    check = {"type": "tcp", "inter": "1s", "timeout": "30s"}
    configuration, port = single(pki.server_ec, recorder(echo()).port, backend_check=check)
    configuration |= {"admin": {"http": f"127.0.0.1:{free_port()}"}, "workers": 2}
    front(configuration)
    prometheus = Prometheus(folder, int(configuration["admin"]["http"].rpartition(":")[2]))
    try:
        stayed = connect_tls(port, pki.client())

        def empty_panels() -> set[str]:
            """The panels without data, after some more clients."""
            # Most handshakes succeed, whatever part of them a scrape sees.
            for _ in range(3):
                with connect_tls(port, pki.client()) as client:
                    assert read_line(client) == GREETING
            with suppress(OSError, EOFError), connect(port) as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                read_line(client)
            return {title for title, expression in expressions() if not prometheus.values(expression)}

        with stayed:
            until(lambda: prometheus.values("mailproxy_frontend_tls_handshakes_total > 0"), "the first handshake")
            # A rate needs two scrapes with different values, and a scrape may fail: it has a second.
            until(lambda: empty_panels() == QUIET, "data in each panel that is not quiet")
        until(lambda: prometheus.values("up") == [1.0], "a scrape that succeeds")
        until(lambda: prometheus.values("mailproxy_frontend_tls_handshake_failures_total > 0"), "the failed handshakes")
        until(lambda: prometheus.alerts() == [], "no alert")
    finally:
        prometheus.process.stop()
