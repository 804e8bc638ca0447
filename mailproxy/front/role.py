"""A process's part of the front's work: all of it, or one of two parts."""

from attrs import frozen


@frozen
class Role:
    """Whether a process accepts clients, and whether it cares for servers; one process without others does both."""

    accepts: bool = True
    cares: bool = True


ALONE = Role()
MAIN = Role(accepts=False)
WORKER = Role(cares=False)
