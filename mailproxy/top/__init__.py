"""
``mailproxy top``: what a running service does, live in a terminal, over the admin socket.

``asking`` asks the service again and again for what the shown view needs, and ``listening`` watches its events, each in
a thread; ``mailbox`` has what they found. ``model`` has the latest ``sample``, the newest events, and the ``rates``
from the differences of counters. The modules of ``views`` write pages of it, with ``grid``, ``styled``
and ``letters``; ``state`` says which view is shown, and what a key changes; ``screen`` puts the lines together. All of
that is pure. ``terminal`` is curses, ``live`` the loop, and ``once`` prints one snapshot without it.
"""
