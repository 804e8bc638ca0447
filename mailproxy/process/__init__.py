"""
Several processes that serve together: a main process, its workers, and a forker that makes workers.

Theory of operation. The *main* process reads the configuration and its files, opens sockets, and monitors servers. The
*workers* accept from these sockets and run the sessions. The *forker* has no reactor and only forks: it is made before
the main process has a reactor, so it can make a worker at any time (`forker`). The ticket keys are in TLS contexts that
are made before the first fork (`mailproxy.tls.stock`).

A socket carries messages between the main process and each worker, in both directions: a `channel` sends each
`message` as a `frame` with its `encoding`. The counts of all processes are in shared memory (`mailproxy.counting`), so
a session needs no message.

``start`` has the steps before there is a reactor, and ``alone`` those of a process without workers. ``identity`` is the
user that they become when root has started them.

``main`` is the service of the main process. ``workers`` starts, informs and replaces its workers, which it may ask
(``open_questions``). ``replacement`` says when it replaces one, ``worker_ends`` how it has ended, and ``workers_stop``
stops them. ``worker`` is the process of a worker, and ``worker_service`` its service.
"""
