"""
The encoding of messages between two processes: pickles.

A process that reads from a worker accepts only classes of values: a worker faces the network.
"""

from __future__ import annotations

import io
import pickle
from datetime import datetime, timedelta, timezone
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from attrs import has
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

_PLAIN: frozenset[Any] = frozenset({datetime, timedelta, timezone, IPv4Address, IPv6Address, IPv4Network, IPv6Network})


# The module of the real functions cannot be imported by name.
def _certificate(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


def _crl(der: bytes) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(der)


class _Pickler(pickle.Pickler):
    """Also pickles certificates and lists of cryptography, as DER."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, x509.Certificate):
            return _certificate, (obj.public_bytes(Encoding.DER),)
        if isinstance(obj, x509.CertificateRevocationList):
            return _crl, (obj.public_bytes(Encoding.DER),)
        return NotImplemented


class _Wary(pickle.Unpickler):
    """Only makes values of our attrs classes and of a few of Python's: no message can call a function."""

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] in ("mailproxy", "datetime", "ipaddress"):
            found = super().find_class(module, name)
            if isinstance(found, type) and (has(found) or found in _PLAIN):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is not for messages")


def encode(message: object) -> bytes:
    """Return a message as bytes."""
    out = io.BytesIO()
    _Pickler(out, pickle.HIGHEST_PROTOCOL).dump(message)
    return out.getvalue()


def decode(data: bytes, *, is_trusted: bool) -> Any:
    """
    Return an encoded message.

    Raises `pickle.UnpicklingError` for classes that an untrusted sender may not use, and for bytes that are no message.
    """
    file = io.BytesIO(data)
    try:
        return (pickle.Unpickler(file) if is_trusted else _Wary(file)).load()
    except Exception as error:  # pickle raises many kinds
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error
