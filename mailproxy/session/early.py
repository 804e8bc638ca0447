"""The client's bytes before anything may read them: they stay in the socket."""

from __future__ import annotations

import socket

from mailproxy.session.stage import Host
from mailproxy.session.termination import CLIENT_LEFT
from mailproxy.transport.poller import END, GONE


def leave_early_bytes(session: Host, events: int, *, may_close_early: bool = False) -> None:
    """
    Leave the client's bytes in the socket, unless the client has gone: then end the session.

    After the first bytes only the end of the client's connection is watched for: close_notify may come in one event,
    and FIN in the next. With `may_close_early`, a client that ends its side still wants what it has asked for.
    """
    client = session.client
    if events & GONE:
        try:
            client.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return  # the event is for another connection, whose descriptor was reused
        except OSError:
            pass  # whatever the reason
        session.lose(CLIENT_LEFT, "connection closed by the client")
    elif not events & END:
        session.poller.change(client.fd, END)
        client.events = END
    elif not may_close_early and client.has_left():
        session.lose(CLIENT_LEFT, "connection closed by the client")
    else:
        session.poller.pause(client.fd)
        client.events = 0
