"""What a receiver accepts of the headers that the specification leaves open: one value, each field with its reason."""

from __future__ import annotations

from attrs import frozen

MAX_SIZE = 4096
"""
The default limit on a whole header, in bytes.

A sender holds this much of our memory before anything about it is known, and a checksum costs time for each byte.
The largest honest header carries a client certificate (2 to 3 KiB for a 4096-bit RSA key); the format allows 65551.
"""


@frozen
class Strictness:
    """
    The limits of a receiver.

    - `versions`: the header versions accepted. Version 1 carries neither TLVs nor a checksum: without it nobody can
      talk a receiver out of the TLS facts by sending the older form.
    - `max_size`: the most bytes a header may have. Stops a sender from making us hold 64 KiB per connection. Version 1
      is never longer than 107 bytes, whatever this says.
    - `require_crc32c`: refuse headers without a checksum (which version 1 cannot have). Stops silent damage on the way
      from reaching logs and access rules; off, since most senders leave it out. A checksum that is there is always
      verified.
    - `accept_local`: accept LOCAL, the sender speaking for itself (health checks). Off, nobody behind the sender's
      address can appear under that address. On, since the specification demands it of receivers.
    - `accept_unspec`: accept PROXY without addresses of a stream (version 1 UNKNOWN, version 2 UNSPEC and datagrams).
      As above: off, a client never appears under the sender's address. On, since version 1 receivers should.
    """

    versions: tuple[int, ...] = (1, 2)
    max_size: int = MAX_SIZE
    require_crc32c: bool = False
    accept_local: bool = True
    accept_unspec: bool = True

    def __attrs_post_init__(self) -> None:
        """Refuse a strictness that nothing could satisfy."""
        if not self.versions or not set(self.versions) <= {1, 2}:
            raise ValueError(f"versions {self.versions} are not a choice of 1 and 2")
        if self.max_size < 16:
            raise ValueError(f"max_size {self.max_size} is less than the 16 bytes every version 2 header has")
