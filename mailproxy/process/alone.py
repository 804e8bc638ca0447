"""Starts the only process of a configuration without workers: the same steps as with workers (`start`)."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mailproxy.front.prepare import Prepared
from mailproxy.front.process_state import ProcessState
from mailproxy.process.identity import CAP_NET_BIND_SERVICE, Identity

if TYPE_CHECKING:
    from mailproxy.service import ProxyService


class Alone:
    """The process, before it has a reactor."""

    capabilities = (CAP_NET_BIND_SERVICE,)
    """What of root's rights it keeps as another user."""

    def __init__(self) -> None:
        self.process_state = ProcessState()
        """The objects that live as long as the process."""

    def fork(self, prepared: Prepared, sockets: Iterable[socket.socket], identity: Identity | None) -> None:
        """Fork nothing; raise `StartError` if this identity cannot read the modules that are imported later."""
        if identity is not None:
            identity.check_modules()

    def service(self, prepared: Prepared, reactor: Any) -> ProxyService:
        """Return the service."""
        from mailproxy.service import ProxyService

        return ProxyService(prepared, reactor)
