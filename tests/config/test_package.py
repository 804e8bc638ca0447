"""The package of the configuration, whose names are imported when one is asked for."""

import subprocess
import sys
from pathlib import Path

import mailproxy.config

EACH_FIRST = """
import sys
from importlib import import_module
for name in sys.argv[1:]:
    for loaded in [one for one in sys.modules if one.startswith("mailproxy.config")]:
        del sys.modules[loaded]
    import_module(f"mailproxy.config.{name}")
"""


def test_each_module_can_be_the_first_one_that_is_imported() -> None:
    names = sorted(path.stem for path in Path(mailproxy.config.__path__[0]).glob("*.py") if path.stem != "__init__")
    ended = subprocess.run([sys.executable, "-c", EACH_FIRST, *names], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_other_names_are_no_names_of_the_package() -> None:
    assert not hasattr(mailproxy.config, "nothing")
