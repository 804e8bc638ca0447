"""TLS towards the clients: certificates, OpenSSL contexts and the facts of one connection."""
