"""
The known attacks on STARTTLS, tried against any mail server.

`dialects` says how each protocol is spoken, `cases` what is tried and what it means; `client` is where the bytes go:
blocking, with deadlines, on the sockets of `target` and the TLS of `tls`. Nothing here uses the rest of the package.

The cases come from Poddebniak, Ising, Böck, Schinzel, "Why TLS is better without STARTTLS" (USENIX Security 2021), from
CVE-2011-0411 and its relatives, and from what RFC 2595, 3207, 5804 and 9051 forbid.
"""

from mailproxy.audit.client import CannotCheck
from mailproxy.audit.dialects import DIALECTS
from mailproxy.audit.result import Result, Verdict
from mailproxy.audit.run import run_cases

__all__ = ["DIALECTS", "CannotCheck", "Result", "Verdict", "run_cases"]
