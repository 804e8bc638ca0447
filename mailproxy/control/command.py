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
    optional: str = ""
    """An argument that may follow without its name."""
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
        rest = f" [{self.optional.upper()}]" if self.optional else ""
        flags = "".join(f" [{flag}]" for flag in self.flags)
        if len(self.filters) > _MOST_SHOWN:
            return f"{self.pattern}{rest}{flags} [FILTER VALUE]…"
        return self.pattern + rest + flags + "".join(f" [{name} {name.upper()}]" for name in self.filters)


_MOST_SHOWN = 3
"""The most filters that a usage shows by name."""


def is_argument(word: str) -> bool:
    """Return whether a word of a pattern stands for an argument."""
    return word.isupper()


_KICK = ("kick",)

COMMANDS = (
    Command("show info", "the process: version, configuration, how long it runs, how many clients it has"),
    Command("show frontends", "where clients connect to: addresses, clients now, what happened so far"),
    Command("show backends", "backends for each protocol: servers that may be picked, sessions, clients that wait"),
    Command("show servers", "servers for each protocol: state, why and since when, checks, weight, sessions"),
    Command(
        "show sessions",
        "clients that are connected now",
        filters=("client", "frontend", "backend", "server", "sni", "cn", "stage", "older-than", "idle-for"),
    ),
    Command("show certificates", "certificates, their names, and how many days they are valid yet"),
    Command("show config", "the configuration as it was read"),
    Command("set server SERVER state STATE", "ready; drain: no new sessions; maint: no checks either"),
    Command("set server SERVER weight WEIGHT", "0 to 256, or a percentage of the configured weight"),
    Command("check now SERVER", "check a server at once, and say what came of it"),
    Command("shutdown session SESSION", "end a session politely"),
    Command("reload", "read the configuration and its files again, and change what has changed, as SIGHUP does"),
    Command(
        "drain frontend FRONTEND",
        "refuse its new clients; kick: tell those that it has to go",
        ("spread",),
        flags=_KICK,
    ),
    Command("enable frontend FRONTEND", "accept its clients again"),
    Command(
        "drain server SERVER", "send it no new clients; kick: tell those that it has to go", ("spread",), flags=_KICK
    ),
    Command("drain", "stop the service in other times than the configuration's", ("delay", "timeout", "spread")),
    Command("stop", "stop the service, as SIGTERM does; the second time, at once"),
    Command("hand over", "give the listening sockets to `mailproxy run --take-over`, which is who asks"),
    Command(
        "leave", "stop, once another process has the sockets: sessions may end by themselves", ("timeout", "spread")
    ),
    Command("watch", "sessions that end, changes of servers and everything else that happens", optional="events"),
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
        if len(command.filters) > _MOST_SHOWN:
            yield f"{'':{width}}  filters: {', '.join(command.filters)}"
