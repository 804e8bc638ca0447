"""Finds what a reload would change in a running service, without a reload."""

from __future__ import annotations

from mailproxy.config import Config, ConfigError, parse
from mailproxy.config.difference import Difference, differences
from mailproxy.control.call import Call, NoService
from mailproxy.control.grammar import parse as parse_command


def against_running(settings: Config, path: str) -> tuple[Difference, ...]:
    """Return what `settings` change in the service with the admin socket `path`; `NoService` if it does not answer."""
    return differences(running_config(path), settings)


def running_config(path: str) -> Config:
    """Return the configuration of the service with the admin socket `path`; `NoService` if it does not answer."""
    with Call(path) as call:
        for line in call.ask(parse_command(["show", "config"])):
            if line.get("type") == "row":
                try:
                    return parse(str(line.get("text")), str(line.get("folder")))
                except ConfigError as error:
                    raise NoService(
                        f"{path}: this mailproxy cannot read the configuration of the running service, which may have "
                        f"another version: {error}"
                    ) from None
            raise NoService(f"{path}: {line.get('error')}")
    raise NoService(f"{path}: the service did not answer")
