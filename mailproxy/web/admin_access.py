"""Lets administrators in: over the admin socket and over HTTP, where the configuration says."""

from __future__ import annotations

from typing import Any

from twisted.logger import globalLogPublisher

from mailproxy.config import Admin, UnixBind
from mailproxy.control.admin_socket import AdminSocket
from mailproxy.control.live import LiveEvents
from mailproxy.control.running import Running
from mailproxy.front.admin import admin_places
from mailproxy.front.background_thread import BackgroundThread
from mailproxy.front.files import Http
from mailproxy.web.late_server import LateServer


class AdminAccess:
    """Accepts administrators, from one reading of the configuration to the next (mutable)."""

    def __init__(self, running: Running, reactor: Any, background: BackgroundThread) -> None:
        self._sockets = running.process_state.admin
        self._socket = AdminSocket(
            running, reactor, publisher=running.events or LiveEvents(globalLogPublisher, running.loop.log)
        )
        self._http = LateServer(running, reactor, background, self._socket.answers, self._socket.watch)

    def open(self, admin: Admin, http: Http) -> None:
        """Accept where these settings say, with these files for HTTP; the sockets are open already."""
        self._socket.open(self._sockets.at(None if admin.socket is None else UnixBind(admin.socket)))
        bound = self._sockets.at(admin.http)
        if bound is None:
            self._http.close()
        else:
            self._http.open(bound, admin, http)
        self._sockets.close_others(admin_places(admin))

    def hand_over(self) -> None:
        """Leave the sockets to another process, which has them as well; connected administrators stay."""
        self._socket.open(None)
        self._http.stop_accepting()
        # While this process had them open, no successor of the other one could listen there.
        self._sockets.close_others(())

    def close(self) -> None:
        """Stop accepting, and close all connections and sockets."""
        self._socket.close()
        self._http.close()
        self._sockets.close_others(())
