"""
Sockets and TLS on the reactor: the hot path.

- `poller`: one epoll object for all our sockets, inside any Twisted reactor.
- `reactor`: Twisted's epoll reactor with the poller in front of it.
- `deadlines`: many coarse timers for the price of few.
- `stream`: one connected socket in a relay; `plain` and `secure` are its two kinds.
- `listener`: listening sockets, and what happens when descriptors run out.
"""
