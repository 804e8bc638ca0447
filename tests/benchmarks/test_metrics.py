"""The cost of a scrape: what is measured, not how fast it is."""

from pathlib import Path

import pytest

from benchmarks import metrics
from tests.tls.issue import issue


def test_big_service_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "ROUNDS", 1)
    certificate = tmp_path / "mail.pem"
    certificate.write_bytes(issue("mail.example").pem)
    certificate.chmod(0o600)
    first, _, *formats = metrics.report(tmp_path).splitlines()
    assert first.startswith("50 frontends, 100 servers, 4 workers: 1")
    assert [line.split()[0] for line in formats] == ["text", "OpenMetrics", "over"]
