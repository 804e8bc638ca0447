"""
What is known of each source address: connections at once, and rates of connections, failed handshakes, refused logins.

Each process has a `Table` of its own, which it alone writes, and reads those of all (`Sources`). The memory is fixed:
the oldest entries without connections leave first. The key of an entry says which frontend's connections it counts, or
that it counts all. Nothing here knows sessions or a clock: the time is a parameter, in seconds of a clock
that all processes share and that is never set.
"""
