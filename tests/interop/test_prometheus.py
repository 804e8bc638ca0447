"""The files for Prometheus and Grafana in etc/, read by promtool."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop import peers
from tests.metrics.test_etc import DASHBOARD, ETC, PANELS

VARIABLES = {"$__rate_interval": "5m", "$instance": ".*", "$frontend": ".*", "$backend": ".*"}


@pytest.fixture(scope="module", autouse=True)
def need_promtool() -> None:
    peers.need("promtool")


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
