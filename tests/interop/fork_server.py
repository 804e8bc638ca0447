"""
A process that has imported what `mailproxy run` imports, and forks a mailproxy for each request.

`python -m tests.interop.fork_server DESCRIPTOR`: each message on this socket has the arguments, the folder and the
environment of one mailproxy as JSON, and two descriptors: its standard output and standard error. The answer has a
descriptor of the new process, and one from which its exit status can be read when it has ended.
"""

import gc
import json
import os
import select
import socket
import sys
from contextlib import suppress
from importlib import import_module
from typing import NoReturn, TypedDict

from mailproxy.cli import main
from tests.interop.forked import LONGEST

# In the order of `mailproxy run`, which installs its own reactor later.
_IMPORTED = (
    *("mailproxy.commands.run", "mailproxy.systemd.handed", "mailproxy.foreground", "mailproxy.transport.reactor"),
    *("mailproxy.service", "mailproxy.log", "mailproxy.systemd.reports"),
)


class Request(TypedDict):
    """One mailproxy to start."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]


def serve(control: socket.socket) -> list[str]:
    """Fork for each request until the other side closes; return only in a new process, with its arguments."""
    children: dict[int, tuple[int, int]] = {}  # by descriptor: the process id, and where its status is written
    poll = select.poll()
    poll.register(control, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor in children:
                pid, status = children.pop(descriptor)
                poll.unregister(descriptor)
                with suppress(BrokenPipeError):
                    os.write(status, b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                os.close(status)
                os.close(descriptor)
                continue
            request, outputs, _, _ = socket.recv_fds(control, LONGEST, 2)
            if not request:
                _leave()
            pid = os.fork()
            if not pid:
                control.detach()
                return _become(json.loads(request), outputs)
            ended, (reader, writer) = os.pidfd_open(pid), os.pipe()
            socket.send_fds(control, [b"%d" % pid], [ended, reader])
            for used in (*outputs, reader):
                os.close(used)
            children[ended] = pid, writer
            poll.register(ended, select.POLLIN)


def _become(request: Request, outputs: list[int]) -> list[str]:
    """Be a process as if it had just been started, and return its arguments."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, *outputs)):
        os.dup2(descriptor, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    return request["arguments"]


def _leave() -> NoReturn:
    """End at once: what was forked goes on."""
    os._exit(0)


if __name__ == "__main__":
    for name in _IMPORTED:
        import_module(name)
    assert "twisted.internet.reactor" not in sys.modules
    # New processes neither search nor copy these objects.
    gc.collect()
    gc.freeze()
    try:
        forked = serve(socket.socket(fileno=int(sys.argv[1])))
    except KeyboardInterrupt:
        _leave()
    sys.argv[1:] = forked
    sys.exit(main(forked))
