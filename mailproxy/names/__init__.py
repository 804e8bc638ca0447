"""
Servers by name: background DNS look-ups, and the assignment of addresses to the slots of a backend.

`Names` follows names and reports changes. Bottom up: ``question`` has the values, ``bounds`` limits the cost of a
message, ``message`` is the codec of one message, ``exchange`` asks one nameserver, ``resolver`` all of them, ``watch``
repeats one question, ``host`` and ``service`` combine the answers; each is a shared ``source``. ``machine`` reads the
machine's own files. ``slots`` assigns the addresses.
"""
