"""The certificate of a client that was refused for it."""

from __future__ import annotations

from attrs import field, frozen
from cryptography import x509

from mailproxy.tls.subject import common_names


@frozen
class Presented:
    """A client's certificate in DER, and OpenSSL's verdict on it (X509_V_ERR_…)."""

    certificate: bytes = field(repr=False)
    verify: int

    @property
    def common_names(self) -> tuple[str, ...]:
        """Every CN in its subject, in order; none if they cannot be read."""
        return common_names(self.certificate)

    @property
    def serial(self) -> str:
        """Its serial number as OpenSSL prints it, in hexadecimal; "" if it cannot be read."""
        try:
            number = x509.load_der_x509_certificate(self.certificate).serial_number
        except ValueError:
            return ""
        digits = f"{number:X}"
        return digits.zfill(len(digits) + len(digits) % 2)
