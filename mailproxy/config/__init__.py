"""
The configuration: TOML into frozen values, with every error at once and the path of its key.

`load` reads a file, `parse` a text. Each table has a module (``log``, ``tls``, ``frontend``, ``backend`` with
``custom_tlvs``, ``server``, ``server_tls``, ``timeouts``, ``check``, ``resolvers``, ``limits``, ``admin``, ``bans``,
``rule`` with ``condition`` and ``condition_numbers``; ``config`` has the whole file) with its keys, their kinds and
meanings, and the code that reads and compares them. ``key`` describes keys as metadata of attrs fields, ``tables``
finds all tables, and ``model`` has the types that several tables share. ``server_layers`` and ``check_layers`` merge
the tables of servers and checks, by ``layers``. ``kind``, ``duration``, ``address``, ``hostname``, ``senders``,
``client_place``, ``text_pattern``, ``moment``, ``rate``, ``bandwidth``, ``refuse``, ``http``, ``format`` and ``tlv``
are the kinds of values, ``place`` has the values of addresses, ``target`` those of the log. ``table`` reads keys and
notes problems; ``references`` compares tables with each other; ``all_remarks``, ``rule_remarks`` and ``unreachable``
find keys without effect; ``difference`` compares two configurations. ``schema`` makes the JSON Schema for editors.
``secret`` reads secrets from files of their own, so that a configuration can be shown. ``whole`` has all that is
offered here.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

DEFAULT_FILE = "/etc/mailproxy/mailproxy.toml"

if TYPE_CHECKING:
    from mailproxy.config.whole import *  # noqa: F403  # the names of its `__all__`
else:
    # Hidden from type checkers: they would take any name for one that is here.

    def __getattr__(name: str) -> Any:
        """
        Import all tables when the first name is asked for.

        The clients of the admin socket need durations and words alone: with the tables, `ctl` takes twice as long.
        """
        whole = import_module("mailproxy.config.whole")
        globals().update({name: getattr(whole, name) for name in whole.__all__})
        return getattr(whole, name)
