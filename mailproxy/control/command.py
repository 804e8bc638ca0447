"""The table of commands: words, arguments and summaries. Help, completion and docs/ctl.md are made from it."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen


@frozen
class Command:
    """One command; in its pattern, a word in capitals stands for an argument of `argument.ARGUMENTS`."""

    pattern: str
    summary: str
    filters: tuple[str, ...] = ()
    """Arguments that may follow, each after its name, in any order."""
    optional: tuple[str, ...] = ()
    """Arguments that may follow without their names, in this order."""
    flags: tuple[str, ...] = ()
    """Words without a value that may stand among the filters."""

    @property
    def name(self) -> str:
        """The name in a request: the words without arguments."""
        return " ".join(word for word in self.words if not is_argument(word))

    @property
    def words(self) -> list[str]:
        """The words of the pattern."""
        return self.pattern.split()

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of the required arguments, in order."""
        return tuple(word.lower() for word in self.words if is_argument(word))

    @property
    def usage(self) -> str:
        """The whole command, as help shows it."""
        rest = "".join(f" [{name.upper()}]" for name in self.optional)
        flags = "".join(f" [{flag}]" for flag in self.flags)
        if len(self.filters) > _MAX_SHOWN:
            return f"{self.pattern}{rest}{flags} [FILTER VALUE]…"
        return self.pattern + rest + flags + "".join(f" [{name} {name.upper()}]" for name in self.filters)


_MAX_SHOWN = 3
"""The most filters that a usage shows by name."""


def is_argument(word: str) -> bool:
    """Return whether a word of a pattern stands for an argument."""
    return word.isupper()


_KICK = ("kick",)

COMMANDS = (
    Command("show info", "the process: version, configuration, uptime, clients"),
    Command("show frontends", "frontends: addresses, clients now, counters since the start"),
    Command("show backends", "backends, for each protocol: active servers, sessions, queued clients"),
    Command("show servers", "servers, for each protocol: state, its reason and age, checks, weight, sessions"),
    Command(
        "show sessions",
        "clients that are connected, with filters",
        filters=("client", "frontend", "backend", "server", "sni", "cn", "search", "stage", "older-than", "idle-for"),
    ),
    Command("show rules", "rules of frontends: their conditions, what they do, and how many clients they have matched"),
    Command(
        "show sources",
        "the addresses and networks with the most connections, or the highest rates",
        filters=("by", "client", "frontend", "limit"),
    ),
    Command("show bans", "banned addresses and networks: by what, until when, why", filters=("client", "origin")),
    Command("show certificates", "certificates: names, days until they expire, and which files are refused"),
    Command("show config", "the configuration as it was read"),
    Command("set server SERVER state STATE", "ready; drain: no new sessions; maint: no new sessions and no checks"),
    Command("set server SERVER weight WEIGHT", "0 to 256, or a percentage of the configured weight"),
    Command("check now SERVER", "check a server now, and show the result"),
    Command("shutdown session SESSION", "end a session with the protocol's goodbye"),
    Command(
        "ban NETWORK",
        "refuse the clients of a network, for a time or until `unban`; kick: end their sessions as well",
        filters=("origin",),
        optional=("time", "reason"),
        flags=_KICK,
    ),
    Command("unban BANNED", "end the bans of an address or network, and forget its rates", filters=("origin",)),
    Command("reload", "read the configuration and its files again, and apply the changes, as SIGHUP does"),
    Command(
        "drain frontend FRONTEND",
        "accept no new clients; kick: end its sessions as well",
        ("spread",),
        flags=_KICK,
    ),
    Command("enable frontend FRONTEND", "accept its clients again"),
    Command("drain server SERVER", "send it no new sessions; kick: end its sessions as well", ("spread",), flags=_KICK),
    Command(
        "drain", "stop the service, with these times instead of the configured ones", ("delay", "timeout", "spread")
    ),
    Command("stop", "stop the service, as SIGTERM does; the second `stop` ends all sessions at once"),
    Command("hand over", "send the listening sockets to `mailproxy run --take-over`"),
    Command(
        "leave", "stop after another process has the sockets; sessions continue until `timeout`", ("timeout", "spread")
    ),
    Command(
        "watch",
        "live events: sessions that begin and end, changes of servers, and all else in the log",
        optional=("events",),
    ),
)
"""In the order of help and docs/ctl.md."""

YES = "yes"
"""The value of a flag in a request."""

BY_NAME = {command.name: command for command in COMMANDS}


def help_lines() -> Iterator[str]:
    """Yield a line for each command: its usage and summary."""
    width = max(len(command.usage) for command in COMMANDS)
    for command in COMMANDS:
        yield f"{command.usage:{width}}  {command.summary}"
        if len(command.filters) > _MAX_SHOWN:
            yield f"{'':{width}}  filters: {', '.join(command.filters)}"
