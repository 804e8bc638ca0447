"""How a backend of each protocol speaks: its greeting, what it offers, its goodbye."""
