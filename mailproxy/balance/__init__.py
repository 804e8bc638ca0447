"""
Which server of a backend is tried next; pure, one rule per file.

A rule is called once per attempt with the servers that may be tried and those that this session has tried already.
"""
