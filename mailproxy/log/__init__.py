"""
Log lines: what the service says, as text, JSON, syslog messages or entries of the journal.

An event goes through an outlet (``outlet``), which makes it a line (``format``, ``syslog``, ``journal``), to a writer
(``writer``): a bounded queue and a thread. The thread brings lines to a sink (``sink``): ``descriptor``, ``file``,
``datagram``, ``stream``. ``observer`` is the log on one stream, ``service`` that of a configuration.
"""

from mailproxy.log.observer import LineLog
from mailproxy.log.service import ServiceLog

__all__ = ["LineLog", "ServiceLog"]
