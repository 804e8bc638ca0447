"""
Everything in one process, to try mailproxy: small IMAP, POP3 and LMTP servers behind a real front.

The servers are Twisted's, with one account and one inbox in memory. They listen behind the PROXY protocol wrapper of
`mailproxy.endpoints`, so they know each client as a real backend would, and say what they learnt.
"""
