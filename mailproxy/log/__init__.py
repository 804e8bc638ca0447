"""
The log: events as lines of text or JSON, syslog messages or journal entries.

An outlet (``outlet``) formats an event as a line (``format``, ``syslog``, ``journal``) and gives it to a writer
(``writer``): a bounded queue and a thread. The thread writes the lines to a sink (``sink``): ``descriptor``, ``file``,
``datagram``, ``stream``. ``service`` logs to the targets of a configuration, ``line_log`` to one stream; both end with
``closing``.
"""

from mailproxy.log.line_log import LineLog
from mailproxy.log.service import ServiceLog

__all__ = ["LineLog", "ServiceLog"]
