"""The role of a process: it accepts clients, cares for servers, or both."""

from attrs import frozen


@frozen
class Role:
    """Whether a process accepts clients, and whether it cares for servers; a single process does both."""

    accepts: bool = True
    cares: bool = True


ALONE = Role()
MAIN = Role(accepts=False)
WORKER = Role(cares=False)
