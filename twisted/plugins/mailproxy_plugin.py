"""What Twisted's plugin system shows of mailproxy: the service for `twist` and `twistd`, and its reactor."""

from twisted.application.reactors import Reactor
from twisted.application.service import ServiceMaker

mailproxy_service = ServiceMaker(
    "mailproxy",
    "mailproxy.tap",
    "A TLS front for mail servers that tells them, by PROXY protocol v2, who the client is.",
    "mailproxy",
)

mailproxy_reactor = Reactor(
    "mailproxy",
    "mailproxy.transport.reactor",
    "epoll, with a short way from the kernel to mailproxy's own sockets.",
)
