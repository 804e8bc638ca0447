"""Starts the processes of a configuration with workers: the steps before the reactor, in the right order."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from functools import partial
from typing import Any

from mailproxy.counting.page import Pages
from mailproxy.front.prepare import Prepared
from mailproxy.front.process_state import ProcessState
from mailproxy.process.counts import MainCounts
from mailproxy.process.forker import begin_forker
from mailproxy.process.identity import CAP_DAC_READ_SEARCH, CAP_NET_BIND_SERVICE, Identity
from mailproxy.process.main import MainService
from mailproxy.process.worker import MakeLog, work
from mailproxy.tls.servers import TlsServers
from mailproxy.tls.stock import Stock


class Processes:
    """The objects that the main process and its workers share; made first, because `prepare` needs `process_state`."""

    # Clients do not get to the main process: it may read keys that only root may.
    capabilities = (CAP_NET_BIND_SERVICE, CAP_DAC_READ_SEARCH)
    """What of root's rights the main process keeps as another user."""

    def __init__(self, count: int, make_log: MakeLog) -> None:
        """`make_log` makes the log of each process."""
        self._make_log = make_log
        self._pages = Pages(count)
        self._counts = MainCounts(self._pages)
        self.process_state = ProcessState(self._counts, TlsServers(Stock()))
        """The objects that live as long as the main process; each worker has a copy after the fork."""
        self._forker: tuple[socket.socket, int] | None = None

    def fork(self, prepared: Prepared, sockets: Iterable[socket.socket] = (), identity: Identity | None = None) -> None:
        """
        Make the forker, before the process has a reactor, threads or other sockets.

        It is not to have `sockets`, and to have this `identity`.
        """
        self._counts.share_sources(prepared.settings.limits.size)
        self._forker = begin_forker(
            partial(work, pages=self._pages, first=prepared, make_log=self._make_log), sockets, identity
        )

    def service(self, prepared: Prepared, reactor: Any) -> MainService:
        """Return the service of the main process, which starts the workers."""
        assert self._forker is not None
        return MainService(prepared, reactor, self._forker)
