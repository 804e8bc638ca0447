"""What a reload would change in a running service, found out without one."""

from __future__ import annotations

from mailproxy.config import Config, ConfigError, parse
from mailproxy.config.difference import Difference, differences
from mailproxy.control.call import Call, NoService
from mailproxy.control.grammar import parse as parse_command


def against_running(settings: Config, path: str) -> tuple[Difference, ...]:
    """Return the differences between the service that listens at `path` and a configuration; `NoService` if none."""
    return differences(running_config(path), settings)


def running_config(path: str) -> Config:
    """Return the configuration that a service runs with; `NoService` if that cannot be found out."""
    with Call(path) as call:
        for line in call.ask(parse_command(["show", "config"])):
            if line.get("type") == "row":
                try:
                    return parse(str(line.get("text")), str(line.get("folder")))
                except ConfigError as error:
                    raise NoService(
                        f"{path}: this mailproxy does not understand the configuration of the running one, which is "
                        f"perhaps another version: {error}"
                    ) from None
            raise NoService(f"{path}: {line.get('error')}")
    raise NoService(f"{path}: the service did not answer")
