"""
Administration of a running service: ``mailproxy ctl``, and the admin socket that it connects to.

``command`` is the table of commands; ``grammar``, help, completion and the page are made from it. ``message`` encodes
and decodes the lines on the socket. In the service, ``admin_socket`` accepts clients, ``client`` is the connection of
one, ``answers`` lists the action of each command, and ``actions`` has them. ``observe`` reads the running objects into
the plain values of ``status``, ``session_filters`` finds the wanted sessions, ``survey`` counts the sessions of each
client and searches all, ``questions`` are what the processes of one service ask each other, ``all_sessions`` gets the
sessions of all of them in ``session_pages``, ``top_sources`` finds the sources of the most connections, and ``watch``
sends live events, which wait in a ``backlog`` for a client that does not read. ``attention`` says what is wrong, for
the stats page and for ``mailproxy top``, and has the sentences of ``show info`` from ``sentence``. In ``mailproxy
ctl``, ``call`` sends a request, ``table`` formats the answer with the words of ``format``, ``compare`` lists what a
reload would change, and ``complete`` lists the words that may follow. ``takeover`` gets the listening sockets of a
running service, ``takeover_end`` lets that leave, and ``predecessor`` says whether it still has sessions.
"""
