"""A part of what is collected."""

from __future__ import annotations

from prometheus_client.core import Metric

Part = Metric | None
"""A metric with its samples, or a pause: up to here it has taken a millisecond."""
