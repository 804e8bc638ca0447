"""The mail protocols' dialogues before TLS and with servers; pure: bytes in, bytes out."""
