"""Actions on bans: who is refused, until when."""

from __future__ import annotations

from mailproxy.bans.ban import RESERVED_ORIGINS, Key, Origin, place_of
from mailproxy.bans.bans import TooManyBans
from mailproxy.config.duration import written
from mailproxy.config.words import quoted
from mailproxy.control import questions
from mailproxy.control.actions.context import Context
from mailproxy.control.answer import Answer
from mailproxy.control.grammar import BadCommand
from mailproxy.sources.plan import keys_with


def ban(context: Context) -> Answer:
    """Ban a network in all processes; with `kick`, end the sessions of its clients as well."""
    key: Key = context.given["network"]
    seconds: float | None = context.given.get("time")
    origin: Origin = context.given.get("origin", "ctl")
    if origin in RESERVED_ORIGINS:
        raise BadCommand(f"ORIGIN is {quoted(origin)}, which is the origin of other bans; use another name")
    keeper = context.running.bans
    try:
        made = keeper.ban(key, origin, context.given.get("reason", ""), seconds)
    except TooManyBans as error:
        raise BadCommand(str(error)) from None
    until = "until it is unbanned" if seconds is None else f"for {written(seconds)}"
    by = "" if origin == "ctl" else f" by {origin}"
    words = f"{made.place} is banned{by} {until}"
    if "kick" in context.given:
        context.running.kicks.kick(made)
        context.ask_others(questions.KickClients(made))
        words += ", and the sessions of its clients end"
    if context.running.process_state.bans.exempt.meets(*key):
        words += f", but it {_verb(key)} [limits] exempt, whose clients get in nevertheless"
    return context.done_here(words) if "kick" in context.given else context.done(words)


def unban(context: Context) -> Answer:
    """
    Remove the bans of a network, whatever has made them, or those of one origin.

    Without a ban, forget its rates as well: a rule would ban it again for them.
    """
    key: Key = context.given["banned"]
    keeper = context.running.bans
    origin: Origin | None = context.given.get("origin")
    removed = keeper.bans.unban(key, origins=None if origin is None else (origin,))
    if left := keeper.bans.by(key, keeper.now):
        others = ", ".join(left)
        if not removed:
            raise BadCommand(f"{place_of(key)} is not banned by {origin}, but by {others}")
        return context.done(f"{place_of(key)} is not banned by {origin} any more, but still by {others}")
    if not removed:
        raise BadCommand(_why_not(context, key))
    by = ", ".join(one.origin for one in removed)
    words = f"{place_of(key)} is not banned any more (it was by {by})"
    if keys := keys_with(context.running.generation.settings, *key):
        questions.forget_rates(context.running, keys)
        context.ask_others(questions.ForgetRates(keys))
        words += ", and its rates (connections, failed handshakes, refused logins) begin at 0"
    still = " and ".join(filter(None, (_in_network(context, key), _in_lists(context, key))))
    return context.done(words + (still and f", but {still}"))


def _why_not(context: Context, key: Key) -> str:
    if covered := _in_network(context, key):
        return f"{place_of(key)} has no ban of its own; it {covered}"
    if listed := _in_lists(context, key):
        return f"{place_of(key)} {listed}"
    return f"{place_of(key)} is not banned; `show bans` lists all bans"


def _in_network(context: Context, key: Key) -> str:
    """Return what to do about a banned network that has all of this one; empty if there is none."""
    keeper = context.running.bans
    covering = keeper.bans.table.find(key[0], keeper.now)
    if covering is None or covering.key[1] >= key[1]:
        return ""
    return f"is in {covering.place}, which is banned: unban {covering.place}"


def _in_lists(context: Context, key: Key) -> str:
    """Return what to do about lists that have the network; empty if none has."""
    paths = context.running.process_state.bans.lists_with(key)
    if not paths:
        return ""
    files = " and ".join(paths)
    return (
        f"{_verb(key)} {files} ([bans] lists), where `unban` removes nothing: edit the file, "
        f"or add {place_of(key)} to [limits] exempt"
    )


def _verb(key: Key) -> str:
    return "is in" if key[1] == 8 * len(key[0]) else "has addresses of"
