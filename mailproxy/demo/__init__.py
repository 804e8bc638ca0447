"""
Everything in one process, to try mailproxy: two mail servers of five protocols each behind a real front.

The servers are Twisted's, with one account and one inbox in memory. They listen behind the PROXY protocol wrapper of
`mailproxy.endpoints`, so they know each client as a real server would, and report it. This machine's Dovecot can take
their place.
"""
