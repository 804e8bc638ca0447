"""The subject of a certificate."""

from cryptography import x509
from cryptography.x509.oid import NameOID


def common_names(certificate: bytes) -> tuple[str, ...]:
    """Return the common names in the subject of a DER certificate, in order; none if they cannot be read."""
    try:
        subject = x509.load_der_x509_certificate(certificate).subject
        return tuple(str(name.value) for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME))
    except ValueError:
        return ()
