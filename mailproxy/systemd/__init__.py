"""
What systemd gives to a service that it starts, and what the service tells it: its protocols, without its library.

``environment`` reads what systemd says in the environment; ``handed`` takes the listening sockets that come with it.
``message`` has the messages, ``notifier`` sends them, ``reports`` decides when.
"""
