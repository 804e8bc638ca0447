"""
What Prometheus collects: the numbers of the whole service, at `/metrics` of administrators' HTTP.

`names` has each metric with its type, labels and words. `collector` reads the running service, with a module for each
kind of thing: `frontends`, `servers`, `bans`, `sources`, `certificates` and `service`. It is a collector of
prometheus-client, so any registry of that library takes it. `exposition` writes the text, and docs/metrics.md is the
table of all.
"""
