"""Medians, ratios and verdicts of a comparison."""

from benchmarks.measures import Measure, Sample, StalledMemory, Work
from benchmarks.report import Row, rows, table

WORK = Work("conn", "a connection, µs", "conn", "EC", 1, 1, lambda result: result.done, target=0.9)
STALLED = StalledMemory("stalled", "growth, KiB", "stall", 1, limit=100)


def measured(measure: Measure, reference: list[float], ours: list[float]) -> Row:
    samples = {
        (measure.name, front): {number: Sample(cost=cost, rate=100 / cost) for number, cost in enumerate(costs)}
        for front, costs in (("haproxy", reference), ("mailproxy", ours))
    }
    _, row = rows(samples, [measure], ["haproxy", "mailproxy"])
    return row


def test_half_the_cost_is_a_ratio_of_two() -> None:
    row = measured(WORK, [10], [5])
    assert (row.cost_ratio, row.rate_ratio) == (2, 2)


def test_cost_is_the_median_of_the_rounds() -> None:
    assert measured(WORK, [1, 1, 1], [7, 900, 8]).cost == 8


def test_ratios_are_of_the_same_round() -> None:
    row = measured(WORK, [10, 100, 20], [10, 100, 25])
    assert (row.cost_ratio, row.cost_ratio_range) == (1, (0.8, 1))


def test_round_without_a_reference_has_no_ratio() -> None:
    samples = {("conn", "haproxy"): {2: Sample(cost=10)}, ("conn", "mailproxy"): {1: Sample(1), 2: Sample(5)}}
    _, row = rows(samples, [WORK], ["haproxy", "mailproxy"])
    assert (row.rounds, row.cost_ratio) == (2, 2)


def test_front_that_was_not_measured_has_no_row() -> None:
    assert [row.front for row in rows({("conn", "b"): {1: Sample(1)}}, [WORK], ["a", "b"])] == ["b"]


def test_measure_beside_another_is_compared_with_the_same_front() -> None:
    starttls = Work("starttls", "a connection, µs", "conn", "STARTTLS", 1, 1, lambda result: result.done, beside="conn")
    samples = {("conn", "a"): {1: Sample(100)}, ("conn", "b"): {1: Sample(10)}, ("starttls", "b"): {1: Sample(20)}}
    (row,) = rows(samples, [starttls], ["a", "b"])
    assert (row.front, row.cost_ratio) == ("b", 0.5)


def test_target_that_is_reached_is_met() -> None:
    assert measured(WORK, [9], [10]).verdict == "met"


def test_missed_target_says_by_how_much() -> None:
    assert measured(WORK, [45], [100]).verdict == "missed by 50%"


def test_limit_is_one_of_the_cost_itself() -> None:
    assert measured(STALLED, [1], [100]).verdict == "met"
    assert measured(STALLED, [1000], [101]).verdict == "missed"


def test_reference_has_no_verdict() -> None:
    reference, _ = rows({("conn", front): {1: Sample(1)} for front in "ab"}, [WORK], ["a", "b"])
    assert reference.verdict == ""


def test_table_has_a_line_for_measure_and_front() -> None:
    _, title, line = table([measured(WORK, [9.0], [10.0])])
    assert title.split()[0] == "conn"
    assert line.split()[:2] == ["mailproxy", "10.0"]
    assert ">= 0.9" in line
