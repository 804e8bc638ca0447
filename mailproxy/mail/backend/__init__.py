"""The talks with a backend in each protocol: greeting, capabilities, login, goodbye."""
