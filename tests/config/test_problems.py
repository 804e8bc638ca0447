from mailproxy.config.problems import Problems


def test_a_table_is_wrong_when_something_in_it_is() -> None:
    problems = Problems()
    problems.add("frontend.imaps.bind[1]", "is wrong")
    assert problems.at("frontend.imaps.bind")
    assert problems.at("frontend.imaps")


def test_all_in_a_wrong_table_is_wrong() -> None:
    problems = Problems()
    problems.add("frontend.imaps", "is no table")
    assert problems.at("frontend.imaps.bind")


def test_a_longer_name_is_another_one() -> None:
    problems = Problems()
    problems.add("frontend.imaps.accept-proxy-only", "is wrong")
    assert not problems.at("frontend.imaps.accept-proxy")


def test_problem_that_many_find_is_reported_once() -> None:
    problems = Problems()
    problems.add("a", "is wrong")
    problems.add("b", "is wrong")
    problems.add("a", "is wrong")
    assert [problem.key for problem in problems.found] == ["a", "b"]
