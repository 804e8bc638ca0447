"""What a backend is told of a client in a PROXY header: the ends, the TLVs, and how they fit."""
