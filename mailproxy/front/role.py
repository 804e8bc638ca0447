"""The role of a process: it accepts clients, is the main process, or both."""

from attrs import frozen


@frozen
class Role:
    """
    Whether a process accepts clients, and whether it is the main process; a single process is both.

    The main process opens sockets, monitors servers, answers administrators, and logs what concerns all processes.
    """

    accepts: bool = True
    is_main: bool = True


ALONE = Role()
MAIN = Role(accepts=False)
WORKER = Role(is_main=False)
