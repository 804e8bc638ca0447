"""One module per subcommand of `mailproxy`: `configure(parser)` names its arguments, `run(arguments)` does it."""
