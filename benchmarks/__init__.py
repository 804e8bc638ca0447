"""
What mailproxy costs, beside HAProxy: ``python -m benchmarks`` (docs/benchmarks.md tells how to read it).

The map, bottom up:

- ``load.c``, ``backend.c``: the clients and the server of a measured front; ``programs`` compiles them.
- ``front``, ``haproxy``: executables that run a front, as variables in their environment ask.
- ``interpreter``: the Python that mailproxy runs on.
- ``only``: the option that chooses what is measured.
- ``certificates``: what the fronts present.
- ``usage``: CPU time and memory of a process tree, from /proc.
- ``running``: a front that runs, its server, and its clients at work.
- ``fronts``: the two fronts, and what they need before they run.
- ``measures``: what is measured, and what mailproxy is to reach.
- ``comparison``: all measures of all fronts in turns.
- ``report``: medians, ratios, the table.
- ``profiled``: mailproxy with cProfile around one measure.

And programs of their own, such as ``python -m benchmarks.checks``:

- ``latency``: how long a connection takes while a core is half busy, beside HAProxy.
- ``groups``: what X25519MLKEM768 costs.
- ``workers``: what a connection costs with workers.
- ``company``: what one hostile client does to others.
- ``floods``: what floods of clients do to others.
- ``leftover``: what many clients leave behind in memory.
- ``instructions``: how many instructions a connection takes, counted by valgrind.
- ``reload``, ``renewals``: what reloads and renewals of certificates cost.
- ``checks``: what health checks cost.
- ``metrics``: what a scrape costs.
- ``sources``, ``networks``, ``bans``: what it costs to count sources, look up addresses, and read bans.
- ``choose``: what it costs to choose a server.
- ``codec``, ``wrapper``: what PROXY headers, and connections with one, cost beside other libraries.
"""
