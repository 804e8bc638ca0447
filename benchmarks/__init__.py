"""
What mailproxy costs, beside HAProxy: ``python -m benchmarks`` (docs/benchmarks.md tells how to read it).

The map, bottom up:

- ``load.c``, ``backend.c``: the clients and the server of a measured front; ``programs`` compiles them.
- ``front``, ``haproxy``: executables that run a front, as variables in their environment ask.
- ``certificates``: what the fronts present.
- ``usage``: CPU time and memory of a process tree, from /proc.
- ``running``: a front that runs, its server, and its clients at work.
- ``fronts``: the two fronts, and what they need before they run.
- ``measures``: what is measured, and what mailproxy is to reach.
- ``comparison``: all measures of all fronts in turns.
- ``report``: medians, ratios, the table.
- ``checks``: what health checks cost; a program of its own, ``python -m benchmarks.checks``.
- ``profiled``: mailproxy with cProfile around one measure.

And by themselves:

- ``latency``: how long a connection takes while a core is half busy, beside HAProxy.
- ``groups``: what X25519MLKEM768 costs.
- ``workers``: what a connection costs with workers.
- ``company``: what one hostile client does to others.
- ``choose``: what it costs to choose a server.
- ``codec``: what PROXY headers cost, beside other libraries.
"""
