"""
Keeps new clients away from a listening TCP socket, while those whose handshake is under way still get through.

A socket that closes resets the clients in its queue, and those whose handshake ends later. So before that, a filter of
the kernel (``SO_ATTACH_FILTER``, socket(7)) drops each first segment (SYN). A client whose segment was dropped sends it
again after a second, and is refused then.
"""

from __future__ import annotations

import socket
import struct
from array import array

HANDSHAKE_SECONDS = 0.5
"""The time for handshakes that are under way: longer than a round trip of nearly all clients."""

_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27

# Where the TCP header, which the filter sees first, has its flags (RFC 9293 section 3.1).
_FLAGS_AT = 13
_SYN, _ACK = 0x02, 0x10

# Classic BPF: operation, jumps if true and if false, operand (the kernel's Documentation/networking/filter.rst).
_LOAD_BYTE, _AND, _IF_EQUAL, _RETURN = 0x30, 0x54, 0x15, 0x06
_PROGRAM = (
    (_LOAD_BYTE, 0, 0, _FLAGS_AT),
    (_AND, 0, 0, _SYN | _ACK),
    (_IF_EQUAL, 0, 1, _SYN),
    (_RETURN, 0, 0, 0),  # drop
    (_RETURN, 0, 0, 0xFFFFFFFF),  # all bytes
)
_INSTRUCTIONS = array("B", b"".join(struct.pack("=HBBI", *instruction) for instruction in _PROGRAM))


def keep_away(sock: socket.socket) -> None:
    """Drop the first segments of new clients from now on; OSError if the kernel does not allow that."""
    address, _ = _INSTRUCTIONS.buffer_info()
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_PROGRAM), address))


def let_in(sock: socket.socket) -> None:
    """Take new clients again; OSError if they were not kept away."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
