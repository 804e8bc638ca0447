"""
The text formats of metrics: that of Prometheus, and OpenMetrics.

The bytes mean what those of prometheus-client mean, which takes 7 and 12 µs for a sample; here it is less than 1 µs,
because the text of labels is kept from scrape to scrape (`mailproxy.metrics.labels`). A big service has 12,000 samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import frozen
from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from mailproxy.metrics.labels import Labels, text_of
from mailproxy.metrics.part import Part

SAMPLES_PER_PIECE = 500
"""About this many samples are written at once, which takes half a millisecond."""

PIECE_BYTES = 32768
"""About this many bytes are a piece for the client."""

_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n"})
_ESCAPES_WITH_QUOTES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


@frozen
class Format:
    """One of the two formats."""

    type: str
    """The media type, for HTTP."""
    is_open_metrics: bool

    def head(self, metric: Metric) -> str:
        """Return the lines before the samples of a metric."""
        name, type, words = metric.name, metric.type, metric.documentation
        if self.is_open_metrics:
            unit = f"# UNIT {name} {metric.unit}\n" if metric.unit else ""
            return f"# HELP {name} {words.translate(_ESCAPES_WITH_QUOTES)}\n# TYPE {name} {type}\n{unit}"
        if type == "counter":
            name += "_total"
        elif type == "info":
            name, type = f"{name}_info", "gauge"
        return f"# HELP {name} {words.translate(_ESCAPES)}\n# TYPE {name} {type}\n"

    @property
    def end(self) -> str:
        """The last line."""
        return "# EOF\n" if self.is_open_metrics else ""


PROMETHEUS = Format("text/plain; version=0.0.4; charset=utf-8", is_open_metrics=False)
OPEN_METRICS = Format("application/openmetrics-text; version=1.0.0; charset=utf-8", is_open_metrics=True)


def write(parts: Iterable[Part], format: Format) -> Iterator[str]:
    """Yield the text of all parts in pieces, each of which takes little time; a piece may be empty."""
    for metric in parts:
        if metric is None:
            yield ""
            continue
        lines = [format.head(metric)]
        samples = metric.samples
        for first in range(0, len(samples), SAMPLES_PER_PIECE):
            lines += [_line(sample) for sample in samples[first : first + SAMPLES_PER_PIECE]]
            yield "".join(lines)
            lines = []
        if lines:
            yield lines[0]
    yield format.end


def _line(sample: Sample) -> str:
    labels, value = sample.labels, sample.value
    text = labels.text if type(labels) is Labels else text_of(labels)
    return f"{sample.name}{text} {value if type(value) is int else repr(float(value))}\n"


def choose(accept: str) -> Format:
    """Return the format that an ``Accept`` header wants: OpenMetrics if it is named and no less wanted than text."""
    wanted = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for one in accept.split(","):
        name, *parameters = (part.strip().lower() for part in one.split(";"))
        if name in wanted:
            wanted[name] = max(wanted[name], _quality(parameters))
    is_wanted = 0.0 < wanted["application/openmetrics-text"] >= wanted["text/plain"]
    return OPEN_METRICS if is_wanted else PROMETHEUS


def _quality(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
