"""
Sockets and TLS on the reactor: the hot path.

- `poller`: one epoll object for all our sockets, inside any Twisted reactor.
- `reactor`: Twisted's epoll reactor with the poller in front of it.
- `deadlines`: many coarse timers at low cost.
- `stream`: one connected socket in a relay; `plain` and `secure` are its two kinds.
- `secure_handshake`: the handshake that comes before; `secure_server` and `secure_client` are its two sides.
- `binding`: the ways to a listening socket, which is a `bound` one from then on.
- `listener`: accepting, and the pause when descriptors run out.
"""
