"""The table of latencies of two fronts."""

from benchmarks.latency import table
from benchmarks.running import Result


def result(milliseconds: float) -> Result:
    seconds = milliseconds / 1000
    return Result(
        done=1,
        failed=0,
        resumed=0,
        trips=0,
        bytes=0,
        seconds=1.0,
        mean=seconds,
        p50=seconds,
        p99=seconds,
        delay_p99=0.0,
        negotiated="",
    )


def p99(theirs: list[float], ours: list[float]) -> str:
    results = {"haproxy": list(map(result, theirs)), "mailproxy": list(map(result, ours))}
    (line,) = (line for line in table(results) if line.split()[0] == "p99")
    return line


def test_ratio_above_one_is_slower_than_the_first_front() -> None:
    assert p99([2], [3]).split()[1:] == ["2.00", "3.00", "1.50", "(1.50-1.50)", "<=", "1.2", "missed"]


def test_ratio_is_the_median_of_the_rounds_ratios() -> None:
    assert p99([1, 10, 100], [1.1, 30, 100]).split()[3:5] == ["1.10", "(1.00-3.00)"]


def test_ratio_at_most_the_target_is_met() -> None:
    assert p99([10], [12]).endswith("met")
