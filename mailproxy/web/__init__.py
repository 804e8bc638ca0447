"""
HTTP for administrators: health, the commands of `mailproxy ctl`, live events and the stats page, on twisted.web.

The main process serves it (``admin_access``), if ``[admin] http`` is in the configuration; only then ``late_server``
imports the other modules. ``server`` accepts clients, ``channel`` bounds what each may send and how long it may take,
``request`` writes replies, ``access`` refuses requests of others, ``turns`` bounds the time that all together take from
the sessions, and ``site`` finds the resource of a path: ``health``, ``metrics``, ``api``, ``events``, the files of the
pages (``static_files``) and the page in ``stats``.
"""
