"""Log lines: the service's events as text or JSON, one event a line."""

from mailproxy.log.observer import LineLog

__all__ = ["LineLog"]
