"""
Which server of a backend gets the next session; pure: no clock, no socket, no log. The words are HAProxy's.

The map, bottom up:

- ``digest``: a hash that stays the same across processes and versions.
- ``health``: the counter of passed and failed checks, and of errors that sessions met.
- ``pool_server``: one server: what it may take, what it has.
- ``leastconn``, ``roundrobin``, ``source``, ``first``, ``random``: the rules, one ``pick`` each; ``rule`` names them.
- ``attempt``: which servers a session tries again.
- ``queue``: who waits for a server with room; ``sharing``: the same across processes.
- ``change``: what happened to a server, for the log.
- ``server_changes``: what checks, sessions, agents, admins and DNS change of a server.
- ``pool``: the servers of one backend for one protocol, and all of the above at work.

Every time is an argument, in seconds of one clock that never goes back.
"""
