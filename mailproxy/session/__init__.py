"""One client's life: PROXY header, handshake, pick, dial, header, relay, part; and its log line."""
