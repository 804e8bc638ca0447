"""
Several processes that serve together: one main process, its workers, and a forker that makes workers.

Theory of operation. The *main* process reads the configuration and its files, opens sockets, and cares for servers. The
*workers* accept from these sockets and have the sessions. The *forker* has no reactor and does nothing but fork: it was
made before the main process had a reactor, so that a worker can be made at any time (`forker`). Ticket keys are those
of TLS contexts that were made before any fork (`mailproxy.tls.stock`).

What the main process tells a worker, and the reverse, goes over a socket between the two (`channel`, `message`). What
is counted for all goes through memory that all have (`page`), so no session costs a message.

``main`` is the service of the main process, ``crew`` its workers, ``worker`` the service of a worker.
"""
