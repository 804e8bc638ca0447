"""
mailproxy: a TLS front for mail servers that speaks PROXY protocol v2 to them.

The map, bottom up; imports run one way, from the later to the earlier:

- ``proxyprotocol``: PROXY protocol v1 and v2 as pure code: bytes to `Header` and back, TLVs, CRC32C, limits.
- ``mail``: the mail protocols' dialogues before TLS and with servers; pure.
- ``balance``: the choice of a server for a session, the queue, and servers' health; pure.
- ``counting``: numbers in memory that several processes share, and their layout.
- ``profiles``: the limits of each kind of mail server on PROXY headers; pure.
- ``config``: TOML to frozen classes, every error with its key path.
- ``tls``: certificates, OpenSSL contexts towards clients and servers, and the facts of one TLS connection.
- ``networks``: sets of thousands of networks, and the files that list them.
- ``names``: servers by host name: DNS in the background, and the assignment of addresses to slots.
- ``announce``: what a PROXY header says to a server about a client: addresses, TLS, TLVs.
- ``rules``: what the configuration decides for each client: conditions, their logic, the decision; pure.
- ``sources``: what is known of each source address, in all processes: connections at once, and rates; pure.
- ``endpoints``: the same PROXY protocol as wrappers for any Twisted endpoint; a library of its own.
- ``transport``: sockets and TLS on the reactor: the hot path, listeners, deadlines, the relay.
- ``backend``: the servers of one backend for one protocol: their pool, addresses and header.
- ``session``: one client's connection: PROXY header, STARTTLS, handshake, pick, dial, header, relay, part; its log
  line.
- ``checks``: mailproxy's own connections to servers: whether they work, and their capabilities.
- ``bans``: banned addresses and networks: their look-up, their file, CrowdSec as a source.
- ``front``: generations: one reading of the configuration in use, and the objects that are handed to the next.
- ``log``: lines for standard output, files, syslog and the journal, each target with a thread of its own.
- ``control``: commands of administrators to a running service, over its admin socket; both sides of that.
- ``systemd``: what systemd hands to a service that it starts, and what the service sends to it.
- ``metrics``: what Prometheus collects: names, the collection from running objects, the text formats.
- ``web``: what an administrator has over HTTP: health, commands, events, metrics and the stats page.
- ``service``, ``signals``: the service on a reactor, its start, reloads and stop.
- ``audit``: the known attacks on STARTTLS, tried against any server; stands alone.
- ``process``: several processes that serve together: main process, workers, and their messages.
- ``top``: what a running service does, live in a terminal; over the admin socket.
- ``foreground``, ``tap``, ``demo``, ``commands``, ``cli``: how it is started.
"""

__version__ = "0.1.0"
