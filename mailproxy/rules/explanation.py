"""Why a rule decides: each rule, whether it matches a client, and because of which keys."""

from __future__ import annotations

from collections.abc import Iterator

from mailproxy.config.bandwidth import shown_bandwidth
from mailproxy.config.duration import written
from mailproxy.config.rule import Rule, shown_rule
from mailproxy.proxyprotocol import tlv_name
from mailproxy.rules.decision import Decision, Pending
from mailproxy.rules.prepared_condition import PreparedCondition, prepare
from mailproxy.rules.rules import Rules
from mailproxy.rules.stated import NOTHING_STATED
from mailproxy.rules.subject import Subject
from mailproxy.rules.unknown import UNKNOWN, Truth

LONGEST_CONDITION = 200
"""The most characters of a condition in one line: a rule may name any number of networks."""

_VERDICTS: dict[Truth, str] = {True: "matches", False: "does not match", None: "is undecided"}


def explain(rules: Rules, subject: Subject) -> Iterator[str]:
    """Yield a line for each rule that is tried, with a line for each key, and the decision."""
    for rule, prepared in zip(rules.rules, rules.prepared, strict=True):
        matched = prepared.test(subject)
        yield f"{shown_rule(rule.name)}: {_VERDICTS[matched]}{f'; {actions(rule)}' if matched else ''}"
        yield from (f"  {line}" for line in _of_condition(prepared, subject))
        if matched and rule.decides:
            break
    yield f"decision: {in_words(rules, rules.decide(subject))}"


def missing(rules: Rules, subject: Subject) -> tuple[str, ...]:
    """Return the facts without which it is undecided if rules match, by the names that `read_facts` reads."""
    found: dict[str, None] = {}
    for rule, prepared in zip(rules.rules, rules.prepared, strict=True):
        matched = prepared.test(subject)
        if matched is None:
            found |= dict.fromkeys(_unknown(prepared, subject))
        elif matched and rule.decides:
            break
    return tuple(found)


def _unknown(prepared: PreparedCondition, subject: Subject) -> Iterator[str]:
    for one in prepared.predicates:
        if one.test(subject) is None:
            if subject.source is UNKNOWN and (one.measure is not None or one.key == "banned"):
                yield "source"  # whose bans and numbers these are
            yield one.fact or one.key
    parts = (*prepared.any_of, *prepared.all_of, *filter(None, [prepared.none_of]))
    for part in parts:
        if part.test(subject) is None:
            yield from _unknown(part, subject)


def _of_condition(prepared: PreparedCondition, subject: Subject) -> Iterator[str]:
    for one in prepared.predicates:
        matched = one.test(subject)
        verdict = {True: " is", False: " is not", None: ", may be"}[matched]
        yield f"{one.key}: {one.shown(subject)}{verdict} {one.wanted}"
    for word, parts in (("any", prepared.any_of), ("all", prepared.all_of)):
        for number, part in enumerate(parts):
            yield f"{word}[{number}]: {_VERDICTS[part.test(subject)]}"
            yield from (f"  {line}" for line in _of_condition(part, subject))
    if prepared.none_of is not None:
        yield f"not: the condition in it {_VERDICTS[prepared.none_of.test(subject)]}"
        yield from (f"  {line}" for line in _of_condition(prepared.none_of, subject))


def in_words(rules: Rules, decided: Decision | Pending) -> str:
    """Write a decision; one that needs more facts says which rule does."""
    if isinstance(decided, Pending):
        return f"undecided; {shown_rule(decided.step.rule.name)} needs facts that are not stated"
    adds = _additions(decided.label, decided.bandwidth, tuple(tlv.type for tlv in decided.tlvs))
    also = f"; {', '.join(adds)}" if adds else ""
    if not decided.rule:
        return f"no rule decides: the frontend's backend{also}"
    if decided.refusal is not None:
        after = f" after {written(decided.tarpit)}" if decided.tarpit else ""
        what = f"closed{after}" if decided.refusal.kind == "close" else f"refused{after}, {decided.refusal}"
    else:
        what = "the frontend's backend" if decided.backend is None else f"backend {decided.backend}"
    ban = f"banned for {written(decided.ban)}, and " if decided.ban else ""
    return f"{shown_rule(decided.rule)}: {ban}{what}{also}"


def condition_of(rule: Rule) -> str:
    """Write what a client has to match for a rule, in one line that is not too long."""
    words = _in_one_line(prepare(rule.condition, NOTHING_STATED)) or "every client"
    return words if len(words) <= LONGEST_CONDITION else f"{words[: LONGEST_CONDITION - 2]} …"


def _in_one_line(prepared: PreparedCondition) -> str:
    found = [f"{one.key} {one.wanted}" for one in prepared.predicates]
    found += [_in_one_line(one) for one in prepared.all_of]
    if prepared.any_of:
        parts = map(_in_one_line, prepared.any_of)
        found.append(f"({' or '.join(f'({part})' if ' and ' in part else part for part in parts)})")
    if prepared.none_of is not None:
        found.append(f"not ({_in_one_line(prepared.none_of)})")
    return " and ".join(found)


def actions(rule: Rule) -> str:
    """Write what a rule does."""
    found = []
    if rule.backend is not None:
        found.append(f"backend {rule.backend}")
    if rule.accept:
        found.append("accept")
    ban = f"ban for {written(rule.ban)}" if rule.ban else ""
    if rule.refusal is not None:
        after = f"after {written(rule.tarpit)}: " if rule.tarpit else ""
        what = "close" if rule.refusal.kind == "close" else f"refuse, {rule.refusal}"
        found.append(f"{ban}{', and ' if ban else ''}{after}{what}")
    elif ban:
        found.append(ban)
    types = () if rule.tlv is None else (rule.tlv.type,)
    return ", ".join([*found, *_additions(rule.label or "", rule.bandwidth or 0, types)])


def _additions(label: str, bandwidth: int, types: tuple[int, ...]) -> list[str]:
    found = [f"label {label}"] if label else []
    found += [f"TLV {tlv_name(type)}" for type in types]
    return [*found, *([f"at most {shown_bandwidth(bandwidth)}"] if bandwidth else [])]
