"""
The known attacks on STARTTLS, tried against any mail server.

`dialects` has the commands and replies of each protocol, `cases` the attacks and their meanings; `client` is one
connection: blocking, with deadlines, on the sockets of `target` and the TLS of `tls`.

This subpackage stands alone: it imports nothing else of mailproxy, and only ``mailproxy check-starttls`` imports it. So
it has its own code for the protocols and TLS, and checks the proxy with other code than the proxy's. Repeated facts are
intended.

The cases come from Poddebniak, Ising, Böck, Schinzel, "Why TLS is better without STARTTLS" (USENIX Security 2021), from
CVE-2011-0411 and its relatives, and from what RFC 2595, 3207, 5804 and 9051 forbid.
"""

from mailproxy.audit.client import CannotCheck
from mailproxy.audit.dialects import DIALECTS
from mailproxy.audit.result import Result, Verdict
from mailproxy.audit.run import run_cases

__all__ = ["DIALECTS", "CannotCheck", "Result", "Verdict", "run_cases"]
