"""
How a running service is asked and told things: ``mailproxy ctl``, and the admin socket behind it.

``command`` is the table of commands, from which ``grammar``, help, completion and the page come; ``message`` is what
goes over the socket. In the service, ``status`` has plain values, which ``observe`` makes of what runs; ``answers``
carries out each command, ``parts`` asks other processes of the same service, ``client`` is the connection of one
client, ``door`` accepts them, ``watch`` tells live events. On the other side, ``call`` asks, ``table`` shows,
``compare`` tells what a reload would change, and ``complete`` what may be typed next.
"""
