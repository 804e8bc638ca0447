"""`python -m mailproxy` is the `mailproxy` command."""

import sys

from mailproxy.cli import main

if __name__ == "__main__":
    sys.exit(main())
