"""
Servers by name: DNS asked in the background, and which address of an answer sits in which slot of a backend.

`Names` follows names and tells of changes. Bottom up: ``question`` has the values, ``bounds`` says what a message may
cost, ``message`` is the codec of one message, ``exchange`` asks one nameserver, ``resolver`` all of them, ``watch``
asks one question for ever, ``host`` and ``service`` put the answers together; each is a ``source`` that is shared.
``machine`` reads the machine's own files. ``slots`` seats the addresses.
"""

from mailproxy.names.names import Following, Names
from mailproxy.names.record import Record
from mailproxy.names.slots import Fill

__all__ = ["Fill", "Following", "Names", "Record"]
