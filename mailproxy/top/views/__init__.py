"""
The views, in the order of their keys.

Each is a module with a `View`: the questions whose answers it shows, its orders, and the function that writes its page
from the `Facts`. ``words`` formats numbers.
"""

from mailproxy.top.views import certificates, clients, events, frontends, overview, servers

VIEWS = (overview.VIEW, frontends.VIEW, servers.VIEW, clients.VIEW, certificates.VIEW, events.VIEW)
"""By key: 1, 2 and so on."""
