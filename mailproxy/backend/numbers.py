"""The numbers of a server, for one protocol: the index of each in the server's block."""

from __future__ import annotations

from mailproxy.counting.layout import Layout

SERVER = Layout()
"""The numbers of a server since the start of mailproxy."""

SESSIONS = SERVER.number("sessions")
FAILED = SERVER.number("failed")
"""Attempts that did not reach the server, or got no greeting from it."""
REFUSED = SERVER.number("refused")
"""Attempts that the server answered with a refusal in words."""
RETRIES = SERVER.number("retries")
"""Attempts after one that failed, at this server again."""
REDISPATCHES = SERVER.number("redispatches")
"""Attempts at another server after one at this server failed."""
BYTES_IN = SERVER.number("bytes_in")
"""Bytes from clients."""
BYTES_OUT = SERVER.number("bytes_out")
"""Bytes from the server."""

CHECKS = SERVER.table("checks", ("passed", "failed", "misconfigured"))
"""Checks by their result; those whose own account or key was refused say nothing about the server."""
CHECK_TIME = SERVER.histogram("check_time", (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0))
"""How long checks take."""
DOWNTIMES = SERVER.number("downtimes")
"""How often the server went down."""
