"""A receiver's choices where the specification leaves them open, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import field, frozen

MAX_SIZE = 4096
"""
The default limit on a whole header, in bytes.

A sender can occupy this much memory before it is known, and a checksum costs time for each byte. The largest honest
header has a client certificate (2 to 3 KiB for a 4096-bit RSA key); the format allows 65551.
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

    - `versions`: the header versions accepted. Version 1 has neither TLVs nor a checksum: refusing it makes sure that
      no sender leaves out the TLS facts with the older form.
    - `max_size`: the most bytes of a header. It prevents a sender from occupying 64 KiB per connection. Version 1 never
      has more than 107 bytes, whatever this is.
    - `require_crc32c`: refuse headers without a checksum (which version 1 cannot have). It keeps silently damaged
      headers from logs and access rules; off by default, because most senders have no checksum. A present checksum is
      always verified.
    - `accept_local`: accept LOCAL, the sender's own connections (health checks). If off, no client appears under the
      sender's address. On by default, because the specification requires it of receivers.
    - `accept_unspec`: accept PROXY without internet addresses of a stream (version 1 UNKNOWN, version 2 UNSPEC,
      datagrams and UNIX sockets). If off, no client appears under the sender's address, and every client has an IP
      address. On by default, because version 1 receivers should accept it.

    ValueError for a strictness that cannot work.
    """

    versions: tuple[int, ...] = field(default=(1, 2), converter=_versions)
    max_size: int = MAX_SIZE
    require_crc32c: bool = False
    accept_local: bool = True
    accept_unspec: bool = True

    def __attrs_post_init__(self) -> None:
        """Refuse a strictness that refuses every client, or every client with IPv6."""
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
