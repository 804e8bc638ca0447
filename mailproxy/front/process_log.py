"""The log that a process writes itself, as its service uses it."""

from __future__ import annotations

from typing import Protocol

from mailproxy.config import Config


class ProcessLog(Protocol):
    """The lines of the log: their targets change with the configuration."""

    def configure(self, settings: Config) -> None:
        """Use the targets, formats and levels of a configuration from now on."""

    def reopen(self) -> bool:
        """Open log files by their paths again, because they were renamed; return whether there are any."""

    def lines_dropped(self) -> int:
        """Return the number of lines that were dropped since the start."""


class NoLog:
    """The log of a process whose lines something else writes, such as `twistd --syslog`."""

    def configure(self, settings: Config) -> None:
        """Do nothing."""

    def reopen(self) -> bool:
        """Return False: there is no file."""
        return False

    def lines_dropped(self) -> int:
        """Return 0: nothing is dropped here."""
        return 0
