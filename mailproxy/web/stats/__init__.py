"""
The stats page: what a running service does, on one page that people look at.

``samples`` keeps the totals of the last minutes, ``newest`` the newest events; ``all_sessions`` looks at all sessions
for the top clients and for a search. ``snapshot`` collects all that is shown, once a second at most and only while
somebody looks. ``markup`` writes escaped HTML; ``totals``, ``attention``, ``frontends``, ``backends``,
``certificates``, ``events``, ``clients`` and ``sessions`` write the sections of the page, each of which ``sections``
has written once for all who look; ``page`` is the document around them, and ``updates`` sends changed sections to open
pages.
"""
