"""The text formats, beside those of prometheus-client."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_open_metrics

from mailproxy.metrics.definition import Definition, Family, Type
from mailproxy.metrics.exposition import OPEN_METRICS, PIECE_BYTES, PROMETHEUS, SAMPLES_PER_PIECE, choose, write
from mailproxy.metrics.labels import LabelSets
from tests.metrics.bench import Given, open_metrics_of, parsed, parsed_open_metrics, samples, text_of

# Line ends of other kinds: the parsers of the library take them for line ends, and the formats do not.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\x85\u2028\u2029\x0b\x0c\x1c\x1d\x1e"))
VALUES = st.one_of(st.integers(0, 2**52), st.floats(min_value=0, allow_nan=False))


def generated(metrics: list[Metric]) -> str:
    """What prometheus-client writes as OpenMetrics."""
    written: bytes = generate_open_metrics(Given(metrics))  # type: ignore[no-untyped-call]
    return written.decode()


def family(type: Type = "gauge", words: str = "What it is.", labels: tuple[str, ...] = ()) -> Family:
    return Family(Definition("mailproxy_thing", type, words, labels), LabelSets())


def histogram() -> Metric:
    made = Family(Definition("mailproxy_wait_seconds", "histogram", "How long.", ("who",)), LabelSets())
    made.add_histogram(("0.001", "1.0", "+Inf"), (3, 0, 2), 2.5, "a")
    made.add_histogram(("0.001", "1.0", "+Inf"), (0, 0, 0), 0.0, "b")
    return made.metric


@pytest.mark.parametrize("type", ["counter", "gauge", "info"])
@given(TEXTS, TEXTS, VALUES)
def test_formats_are_those_of_the_library(type: Type, words: str, label: str, value: float) -> None:
    made = family(type, words, ("who", "what"))
    made.add(1 if type == "info" else value, label, "x")
    metrics = [made.metric, histogram()]
    assert parsed(text_of(metrics)) == parsed(generate_latest(Given(metrics)).decode())
    assert parsed_open_metrics(open_metrics_of(metrics)) == parsed_open_metrics(generated(metrics))


def test_heads_are_those_of_the_library() -> None:
    counted = family("counter", 'A "word" and a \\.')
    counted.add(1)
    metrics = [counted.metric, histogram()]
    for text, expected in (
        (text_of(metrics), generate_latest(Given(metrics))),
        (open_metrics_of(metrics), generated(metrics).encode()),
    ):
        heads = [line for line in text.splitlines() if line.startswith("#")]
        assert heads == [line for line in expected.decode().splitlines() if line.startswith("#")]


def test_buckets_are_cumulative() -> None:
    found = samples(parsed(text_of([histogram()])))
    buckets = {
        dict(labels)["le"]: count
        for (name, labels), count in found.items()
        if ("who", "a") in labels and "le" in dict(labels)
    }
    assert buckets == {"0.001": 3, "1.0": 3, "+Inf": 5}


def test_big_metric_is_written_in_pieces() -> None:
    made = family(labels=("who",))
    for number in range(SAMPLES_PER_PIECE * 3):
        made.add(number, str(number))
    pieces = list(write([made.metric, None], PROMETHEUS))
    assert pieces[3:] == ["", ""]  # the pause, and the end
    assert max(map(len, pieces)) < PIECE_BYTES
    assert len(samples(parsed("".join(pieces)))) == SAMPLES_PER_PIECE * 3


def test_metric_without_samples_has_a_head() -> None:
    assert text_of([family().metric]) == "# HELP mailproxy_thing What it is.\n# TYPE mailproxy_thing gauge\n"


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text",
        "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
        "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        "Application/OpenMetrics-Text; version=1.0.0; charset=utf-8, text/plain",
    ],
)
def test_open_metrics_is_for_those_who_want_it(accept: str) -> None:
    assert choose(accept) is OPEN_METRICS


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/plain;version=0.0.4",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=0.3,text/plain;q=0.5",
        "application/openmetrics-text;q=much",
        ";;,=,",
    ],
)
def test_text_is_for_all_others(accept: str) -> None:
    assert choose(accept) is PROMETHEUS
