"""
The certificates for each server name.

A server may have several certificates for one name, one per kind of key: an OpenSSL context holds one of each kind, and
OpenSSL picks one that the client can verify. So each name has a group of certificates, which one context serves.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from attrs import frozen

from mailproxy.tls.certificate import Certificate
from mailproxy.tls.steps import Steps, ends_of_steps, finish

T = TypeVar("T")


@frozen
class CertificateGroup:
    """
    One context's certificates, one per kind of key (RSA, EC, …) in the configured order, and the names they serve.

    `names` are lower-case, wildcards included; each name is in one group only.
    """

    names: frozenset[str]
    certificates: tuple[Certificate, ...]


def group_certificates(certificates: Sequence[Certificate]) -> tuple[CertificateGroup, ...]:
    """Group `certificates`, at least one, at once (see `grouping`)."""
    return finish(grouping(certificates))


def grouping(certificates: Sequence[Certificate]) -> Steps[tuple[CertificateGroup, ...]]:
    """
    Group `certificates`, at least one, in steps; the first group is the default.

    Of several certificates for one name and kind of key, the first is used; a certificate that is not the first for any
    of its names is in no group. The default is the group of the first certificate's first name, so that both of an RSA
    and EC pair serve clients without SNI.
    """
    of_name: dict[str, dict[str, int]] = {}
    for (position, certificate), is_end in ends_of_steps(enumerate(certificates)):
        for name in certificate.names:
            of_name.setdefault(name, {}).setdefault(certificate.kind, position)
        if is_end:
            yield
    names_of: dict[tuple[int, ...], list[str]] = {}
    if not certificates[0].names:
        names_of[(0,)] = []
    for (name, of_kind), is_end in ends_of_steps(of_name.items()):
        names_of.setdefault(tuple(of_kind.values()), []).append(name)
        if is_end:
            yield
    groups = []
    for (positions, names), is_end in ends_of_steps(names_of.items()):
        groups.append(CertificateGroup(frozenset(names), tuple([certificates[position] for position in positions])))
        if is_end:
            yield
    return tuple(groups)


def for_name(of_names: Mapping[str, T], server_name: str, default: T) -> T:
    """
    Return the value for the server name from a client (SNI, in upper or lower case).

    `of_names` has the names of `CertificateGroup`. An exact name has priority over a wildcard, which matches one label;
    any other name gets the default.
    """
    name = server_name.lower().removesuffix(".")
    found = of_names.get(name)
    if found is None:
        found = of_names.get("*." + name.partition(".")[2])
    return default if found is None else found
