"""TLS towards clients and servers: certificates, OpenSSL contexts and the facts of one connection."""
