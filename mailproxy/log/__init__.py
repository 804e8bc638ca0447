"""Log lines: what the service says, as text or JSON, one event a line."""

from mailproxy.log.observer import LineLog

__all__ = ["LineLog"]
