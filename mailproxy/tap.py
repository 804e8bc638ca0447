"""The ``mailproxy`` plugin of ``twistd`` and ``twist``."""

from __future__ import annotations

import sys

from twisted.application.service import IService
from twisted.python import usage

from mailproxy.config import DEFAULT_FILE, ConfigError, load
from mailproxy.service import ProxyService, StartError


class Options(usage.Options):
    """What stands behind ``twistd -n mailproxy``."""

    optParameters = [["config", "c", DEFAULT_FILE, "The configuration."]]  # noqa: RUF012  # how usage.Options declares


def makeService(options: Options) -> IService:
    """
    Return the service with its sockets open.

    They are opened here because this is before ``twistd`` gives up its privileges, and because here a failure can still
    end the process with one line and status 1 (``twist`` knows no privileged start, and a failed start only in its log).
    """
    from twisted.internet import reactor

    try:
        service = ProxyService(load(options["config"]), reactor)
        service.bind()
    except (ConfigError, StartError) as error:
        sys.exit(str(error))
    return service
