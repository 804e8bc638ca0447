"""Finds what a reload would change in a running service, without a reload."""

from __future__ import annotations

from mailproxy.config import Config, ConfigError, parse
from mailproxy.config.difference import Difference, differences_since
from mailproxy.control.call import Call, NoService
from mailproxy.control.grammar import parse as parse_command


def against_running(settings: Config, path: str) -> tuple[Difference, ...]:
    """Return what `settings` change in the service with the admin socket `path`; `NoService` if it does not answer."""
    with Call(path) as call:
        started, current = _configurations(call, path)
    return differences_since(started, current, settings)


def _configurations(call: Call, path: str) -> tuple[Config, Config]:
    """Return the configuration that the service started with, and the one that it has now."""
    for line in call.ask(parse_command(["show", "config"])):
        if line.get("type") != "row":
            raise NoService(f"{path}: {line.get('error')}")
        folder, text = str(line.get("folder")), str(line.get("text"))
        started = line.get("started")
        try:
            current = parse(text, folder)
            return current if started is None else parse(str(started), folder), current
        except ConfigError as error:
            raise NoService(
                f"{path}: this mailproxy cannot read the configuration of the running service, which may have "
                f"another version: {error}"
            ) from None
    raise NoService(f"{path}: the service did not answer")
