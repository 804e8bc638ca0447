"""
Which server of a backend gets the next session; pure: no clock, no socket, no log. The words are HAProxy's.

The map, bottom up:

- ``digest``: a hash that stays the same across processes and versions.
- ``health``: the counter of passed and failed checks, and of errors that sessions met.
- ``pool_server``: one server, its limits and its sessions.
- ``leastconn``, ``roundrobin``, ``source``, ``first``, ``random``: the rules, one ``pick`` each; ``rule`` names them.
- ``attempt``: which servers a session tries again.
- ``queue``: the clients that wait for a server with room; ``shared_pool``: the same across processes.
- ``change``: what happened to a server, for the log.
- ``server_changes``: changes of a server by checks, sessions, agents, admins and DNS.
- ``pool``: the servers of one backend for one protocol; it uses all of the above.

Times are arguments, in seconds of one clock that never goes back.
"""
