"""
mailproxy: a TLS front for mail servers that speaks PROXY protocol v2 to them.

The map, bottom up; imports run one way, from the later to the earlier:

- ``proxyprotocol``: PROXY protocol v1 and v2 as pure code: bytes to `Header` and back, TLVs, CRC32C, limits.
- ``mail``: what each mail protocol says around TLS; pure.
- ``balance``: which server of a backend gets a session, who waits for one, and what checks change; pure.
- ``profiles``: what each kind of mail server bears in a PROXY header; pure.
- ``config``: TOML to frozen classes, every error with its key path.
- ``tls``: certificates, OpenSSL contexts towards clients and servers, and the facts of one TLS connection.
- ``names``: servers by host name: DNS in the background, and which address sits in which slot.
- ``announce``: what a PROXY header tells a server about a client: addresses, TLS, TLVs.
- ``endpoints``: the same PROXY protocol as wrappers for any Twisted endpoint; a library of its own.
- ``transport``: sockets and TLS on the reactor: the hot path, listeners, deadlines, the relay.
- ``backend``: the servers of one backend for one protocol: their pool, where they are, and the header for them.
- ``session``: one client's life: PROXY header, STARTTLS, handshake, pick, dial, header, relay, part; and its log line.
- ``checks``: what we ask servers on our own behalf: whether they are well, and what they offer.
- ``front``: generations: one reading of the configuration at work, and what is handed from one to the next.
- ``control``: what administrators ask a running service and tell it, over its admin socket; both sides of that.
- ``audit``: the known attacks on STARTTLS, tried against any server; stands alone.
- ``service``, ``signals``, ``log``, ``tap``, ``demo``, ``commands``, ``cli``: how it is started.
"""

__version__ = "0.1.0"
