"""One module per subcommand of `mailproxy`: `configure(parser)` declares its arguments, `run(arguments)` runs it."""

COMMANDS = {
    "run": "the service, in the foreground",
    "check": "reads a configuration, certificates included, and reports every error at once",
    "ctl": "sends commands to a running service",
    "top": "shows what a running service does, live in a terminal",
    "completion": "prints what completes commands in bash, zsh or fish",
    "demo": "the proxy and embedded mail servers on loopback ports, to try it",
    "header": "makes a PROXY protocol header, or explains one byte by byte",
    "check-starttls": "tries the known attacks on STARTTLS against any mail server",
}
"""Each is a module of this package, where a hyphen is an underscore."""
