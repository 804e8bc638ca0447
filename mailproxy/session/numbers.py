"""The numbers of a frontend: the index of each in the frontend's block."""

from __future__ import annotations

from attrs import fields

from mailproxy.counting.layout import Layout
from mailproxy.session.counters import Counters
from mailproxy.session.gate import GATE_WORDS

FRONTEND = Layout()
"""The numbers of a frontend since the start of mailproxy."""

COUNTERS = {field.name: FRONTEND.number(field.name) for field in fields(Counters)}
"""The index of each of the `Counters`."""

CONNECTIONS = COUNTERS["connections"]
HEADERS = COUNTERS["headers"]
SESSIONS = COUNTERS["sessions"]
REJECTED = COUNTERS["rejected"]

GATES = FRONTEND.table("gates", GATE_WORDS)
"""Clients that a gate has rejected, by its word."""
