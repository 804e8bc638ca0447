"""
The OpenSSL contexts that serve a profile's certificates, each made when a client first asks for one of its names.

A context takes 0.4 ms and 23 KiB, so a front with thousands of names starts without them, and a renewal makes one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from time import monotonic
from typing import Any

from attrs import define, frozen
from OpenSSL import SSL

from mailproxy.tls import openssl
from mailproxy.tls.certificate import Certificate
from mailproxy.tls.groups import CertificateGroup, for_name
from mailproxy.tls.steps import Steps, ends_of_steps, finish

# A handshake may end after its certificate was removed; none takes longer than this (`timeouts.WAIT`).
KEPT_SECONDS = 3600.0

MakeContext = Callable[[tuple[Certificate, ...]], tuple[SSL.Context, tuple[int, ...]]]
"""Makes a context for certificates; returns it, and their identities (`openssl.served_certificate`)."""


@define(eq=False)
class _Slot:
    """One group of certificates, with its context once that is made."""

    certificates: tuple[Certificate, ...]
    context: SSL.Context | None = None
    raw: Any = None
    identities: tuple[int, ...] = ()


@frozen
class _Left:
    """A certificate that new handshakes do not get."""

    at: float
    identity: int


class Contexts:
    """
    The contexts by server name, and the certificates by the identities that OpenSSL gives them (mutable).

    After a change, the next handshake uses the new certificates; handshakes that have begun keep theirs.
    """

    def __init__(
        self, make: MakeContext, groups: Sequence[CertificateGroup], clock: Callable[[], float] = monotonic
    ) -> None:
        """Serve these groups of certificates, the first one by default, with contexts from `make`."""
        self._make = make
        self._clock = clock
        self._slots: dict[tuple[bytes, ...], _Slot] = {}
        self._by_name: dict[str, _Slot] = {}
        self._served: dict[int, Certificate] = {}
        self._left: deque[_Left] = deque()
        self.first: SSL.Context
        """The context that serves clients by default."""
        self.default: Any
        """The same, raw."""
        self.only: Certificate | None = None
        """The only certificate, if all clients get the same one."""
        self.has_one = False
        """True if one context serves all names."""
        self.replace(groups)

    def replace(self, groups: Sequence[CertificateGroup]) -> None:
        """Serve these groups from now on."""
        finish(self.replacing(groups))()

    def replacing(self, groups: Sequence[CertificateGroup]) -> Steps[Callable[[], None]]:
        """Prepare to serve these groups, in steps; the result is a function that makes the change at once."""
        slots: dict[tuple[bytes, ...], _Slot] = {}
        by_name: dict[str, _Slot] = {}
        for group, is_end in ends_of_steps(groups):
            key = tuple([certificate.digest for certificate in group.certificates])
            previous = self._slots.get(key)
            if previous is None or previous.certificates == group.certificates:
                slot = previous or _Slot(group.certificates)
            else:
                # The same certificates, with another OCSP response.
                slot = _Slot(group.certificates, previous.context, previous.raw, previous.identities)
            slots[key] = slot
            for name in group.names:
                by_name[name] = slot
            if is_end:
                yield
        return partial(self._exchange, slots, by_name)

    def _exchange(self, slots: dict[tuple[bytes, ...], _Slot], by_name: dict[str, _Slot]) -> None:
        first = next(iter(slots.values()))
        raw = self._raw(first)
        assert first.context is not None
        for key in self._slots.keys() - slots.keys():
            self._detach(self._slots[key])
        self._forget()
        self._slots, self._by_name, self.first, self.default = slots, by_name, first.context, raw
        for slot in slots.values():
            if slot.identities:
                self._served.update(zip(slot.identities, slot.certificates, strict=True))
        self.has_one = len(slots) == 1
        self.only = first.certificates[0] if len(slots) == len(first.certificates) == 1 else None

    def for_name(self, server_name: str) -> Any:
        """Return the raw context for the server name from a client; None if no certificate has this name."""
        slot = for_name(self._by_name, server_name, None)
        return None if slot is None else slot.raw or self._raw(slot)

    @property
    def made(self) -> Iterator[SSL.Context]:
        """The contexts that are made so far."""
        return (slot.context for slot in self._slots.values() if slot.context is not None)

    @property
    def digests(self) -> set[bytes]:
        """The digests of the certificates (`Certificate.digest`)."""
        return set(chain.from_iterable(self._slots))

    def certificate(self, identity: int) -> Certificate | None:
        """Return the certificate with this identity (`openssl.served_certificate`)."""
        return self._served.get(identity)

    def _raw(self, slot: _Slot) -> Any:
        if slot.context is None:
            slot.context, slot.identities = self._make(slot.certificates)
            slot.raw = openssl.raw_context(slot.context)
            self._served |= zip(slot.identities, slot.certificates, strict=True)
            # OpenSSL may reuse the memory, and so the identity, of a certificate that was freed.
            self._left = deque(left for left in self._left if left.identity not in slot.identities)
        return slot.raw

    def _detach(self, slot: _Slot) -> None:
        now = self._clock()
        self._left.extend(_Left(now, identity) for identity in slot.identities)

    def _forget(self) -> None:
        """Forget certificates that no handshake can use now."""
        while self._left and self._left[0].at < self._clock() - KEPT_SECONDS:
            left = self._left.popleft()
            self._served.pop(left.identity, None)
