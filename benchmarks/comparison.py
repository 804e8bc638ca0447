"""All measures of all fronts, in turns: whatever else the machine does meets each of them."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from benchmarks.measures import Measure, Sample
from benchmarks.running import BenchmarkError, Front, FrontProgram, Place

Samples = Mapping[tuple[str, str], Mapping[int, Sample]]
"""By the names of measure and front, and by round."""


def compare(
    programs: Sequence[FrontProgram],
    measures: Iterable[Measure],
    rounds: int,
    place: Place,
    say: Callable[[str], object],
) -> Samples:
    """
    Take every measure of every front once per round; what cannot be measured is said, and missing.

    The fronts are started anew for each round: where a process has its memory makes it up to a tenth cheaper or dearer,
    for as long as it lives.
    """
    measures = list(measures)
    samples: dict[tuple[str, str], dict[int, Sample]] = defaultdict(dict)
    for number in range(1, rounds + 1):
        with contextlib.ExitStack() as stack:
            lasting = {program.name: stack.enter_context(Front(program, place)) for program in programs}
            for measure in measures:
                say(f"round {number} of {rounds}: {measure.name}")
                # In every other round the other way round, so that no front is always the first.
                able = programs if measure.beside is None else programs[1:]
                for program in able if number % 2 else reversed(able):
                    try:
                        sample = _take(measure, program, lasting[program.name], place)
                    except BenchmarkError as error:
                        say(f"{measure.name}, {program.name}: {error}")
                    else:
                        samples[measure.name, program.name][number] = sample
    return samples


def _take(measure: Measure, program: FrontProgram, lasting: Front, place: Place) -> Sample:
    if not measure.needs_fresh_front:
        return measure.take(lasting)
    with Front(program, place) as fresh:
        return measure.take(fresh)
