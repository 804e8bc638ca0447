"""The check's false credentials, which are sent in plaintext on purpose."""

from base64 import b64encode

USER = b"starttls-check"
PASSWORD = b"made-up-password"
PLAIN = b64encode(b"\0" + USER + b"\0" + PASSWORD)
"""Both as the initial response of SASL PLAIN (RFC 4616)."""
