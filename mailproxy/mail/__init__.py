"""What each mail protocol says around TLS; pure: bytes in, bytes out."""
