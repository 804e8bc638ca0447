"""What a PROXY header tells a backend about a client: addresses, TLS and TLVs, within the size limit."""
