"""
The known attacks on STARTTLS, tried against any mail server.

`dialects` says how each protocol is spoken, `cases` what is tried and what it means; `client` is where the bytes go:
blocking, with deadlines, on the sockets of `target` and the TLS of `tls`.

This subpackage stands alone: it imports nothing else of mailproxy, and of mailproxy only ``mailproxy check-starttls``
imports it. So it speaks each protocol and each TLS in its own words, and judges what the proxy does by other code than
the proxy's. Where the same fact stands here and there, that is meant.

The cases come from Poddebniak, Ising, Böck, Schinzel, "Why TLS is better without STARTTLS" (USENIX Security 2021), from
CVE-2011-0411 and its relatives, and from what RFC 2595, 3207, 5804 and 9051 forbid.
"""

from mailproxy.audit.client import CannotCheck
from mailproxy.audit.dialects import DIALECTS
from mailproxy.audit.result import Result, Verdict
from mailproxy.audit.run import run_cases

__all__ = ["DIALECTS", "CannotCheck", "Result", "Verdict", "run_cases"]
