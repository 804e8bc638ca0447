"""What a receiver accepts of the headers that the specification leaves open: one value, each field with its reason."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import field, frozen

MAX_SIZE = 4096
"""
The default limit on a whole header, in bytes.

A sender holds this much of our memory before anything about it is known, and a checksum costs time for each byte.
The largest honest header carries a client certificate (2 to 3 KiB for a 4096-bit RSA key); the format allows 65551.
"""

_IPV6_SIZE = 52
_CRC32C_SIZE = 7


def _versions(versions: Iterable[int]) -> tuple[int, ...]:
    if isinstance(versions, (str, bytes)) or not isinstance(versions, Iterable):
        raise ValueError(f"versions {versions!r} is not a tuple; write (2,)")
    return tuple(versions)


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
    - `accept_unspec`: accept PROXY without internet addresses of a stream (version 1 UNKNOWN, version 2 UNSPEC,
      datagrams and UNIX sockets). As above: off, a client never appears under the sender's address, and every client
      has an IP address. On, since version 1 receivers should.

    ValueError for a strictness that cannot work.
    """

    versions: tuple[int, ...] = field(default=(1, 2), converter=_versions)
    max_size: int = MAX_SIZE
    require_crc32c: bool = False
    accept_local: bool = True
    accept_unspec: bool = True

    def __attrs_post_init__(self) -> None:
        """Refuse a strictness by which no client, or no client with IPv6, could come."""
        for name in ("require_crc32c", "accept_local", "accept_unspec"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} {getattr(self, name)!r} is neither True nor False")
        if isinstance(self.max_size, bool) or not isinstance(self.max_size, int):
            raise ValueError(f"max_size {self.max_size!r} is not a number of bytes")
        if not self.versions or not set(self.versions) <= {1, 2}:
            raise ValueError(f"versions {self.versions} may contain only 1 and 2")
        if self.require_crc32c and 2 not in self.versions:
            raise ValueError("require_crc32c refuses every header of version 1, the only one in versions")
        least = _IPV6_SIZE + (_CRC32C_SIZE if self.require_crc32c else 0)
        if self.max_size < least:
            checked = " and a checksum" if self.require_crc32c else ""
            raise ValueError(
                f"max_size {self.max_size} is less than the {least} bytes of a header with IPv6 addresses{checked}"
            )
