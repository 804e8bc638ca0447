"""The HTTP server of administrators, whose modules are imported when the configuration first wants it."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from mailproxy.config import Admin
from mailproxy.control.answers import Answers
from mailproxy.control.running import Running
from mailproxy.control.watch import Watch
from mailproxy.front.background_thread import BackgroundThread
from mailproxy.front.files import Http
from mailproxy.transport.bound import Bound

if TYPE_CHECKING:
    from mailproxy.web.server import HttpServer

_SERVER = "mailproxy.web.server"
"""It imports twisted.web, which takes a tenth of a second: a thread does it, and clients wait in the kernel's queue."""


class LateServer:
    """HTTP for administrators, from one reading of the configuration to the next."""

    _log = Logger(namespace="mailproxy")

    def __init__(
        self, running: Running, reactor: Any, background: BackgroundThread, answers: Answers, watch: Watch
    ) -> None:
        self._background = background
        self._make = lambda imported: imported.HttpServer(running, reactor, answers, watch)
        self._server: HttpServer | None = None
        self._wanted: tuple[Bound, Admin, Http] | None = None

    def open(self, bound: Bound, admin: Admin, http: Http) -> None:
        """Accept from this socket, with these settings, as soon as the modules are imported."""
        self._wanted = bound, admin, http
        if self._server is None:
            imported = self._background.do(partial(import_module, _SERVER)).addCallback(self._imported)
            imported.addErrback(self._failed)
        else:
            self._server.open(bound, admin, http)

    def stop_accepting(self) -> None:
        """Accept no further clients; connected ones stay."""
        self._wanted = None
        if self._server is not None:
            self._server.stop_accepting()

    def close(self) -> None:
        """Stop accepting, and close all connections."""
        self._wanted = None
        if self._server is not None:
            self._server.close()
            self._server = None

    def _imported(self, module: Any) -> None:
        if self._wanted is not None:
            if self._server is None:
                self._server = self._make(module)
            self._server.open(*self._wanted)

    def _failed(self, failure: Failure) -> None:
        # The service's user may not be able to read Python's modules.
        self._log.failure("HTTP for administrators does not work", failure)
