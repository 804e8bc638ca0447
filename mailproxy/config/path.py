"""Paths of files, which may begin with the folder of systemd's credentials."""

import os

from mailproxy.config.kind import Kind, WrongValue, text
from mailproxy.config.words import quoted

CREDENTIALS = "${CREDENTIALS_DIRECTORY}"
"""Stands for the folder in which systemd puts what LoadCredential= names; it differs from unit to unit."""


def file_path(what: str) -> Kind[str]:
    """Make the kind of paths of files that are `what`."""
    words = text(what)

    def read(value: str) -> str:
        return _with_credentials(words.read(value))

    return Kind((str,), words.needs, read, schema=words.schema)


def _with_credentials(path: str) -> str:
    if not path.startswith(CREDENTIALS):
        return path
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not folder.startswith("/"):
        raise WrongValue(
            f"is {quoted(path)}, and there is no CREDENTIALS_DIRECTORY in the environment: systemd sets it for a "
            "service with LoadCredential="
        )
    return folder + path.removeprefix(CREDENTIALS)
