"""
The actions of commands: what each does in the running service, and its answer.

An action is a function of one `Context` (``context``); ``names`` finds the objects that a command names. The other
modules have the actions by their object: ``servers``, ``frontends``, ``sessions``, ``bans``, ``service``, and
``handover`` for the listening sockets. ``answers`` beside this package lists them by command.
"""
