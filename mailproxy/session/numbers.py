"""The numbers of a frontend: the index of each in the frontend's block."""

from __future__ import annotations

from attrs import fields

from mailproxy.counting.layout import Layout
from mailproxy.session.counters import Counters

FRONTEND = Layout()
"""The numbers of a frontend since the start of mailproxy."""

COUNTERS = {field.name: FRONTEND.number(field.name) for field in fields(Counters)}
"""The index of each of the `Counters`."""

CONNECTIONS = COUNTERS["connections"]
HEADERS = COUNTERS["headers"]
SESSIONS = COUNTERS["sessions"]
