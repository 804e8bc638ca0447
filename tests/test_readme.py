"""What the README tells to write is accepted."""

import re
from pathlib import Path

from twisted.internet.endpoints import serverFromString
from twisted.internet.testing import MemoryReactorClock

from mailproxy.config import parse
from mailproxy.endpoints import AcceptProxyServerEndpoint

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def example(pattern: str) -> str:
    found = re.search(pattern, README, re.DOTALL)
    assert found
    return found[1]


def test_configuration_is_accepted() -> None:
    settings = parse(example(r"```toml\n(.*?)```"), ROOT)
    assert [frontend.name for frontend in settings.frontends] == ["imaps"]


def test_endpoint_description_is_accepted() -> None:
    description = example(r'serverFromString\(reactor, r"(.*?)"\)')
    assert isinstance(serverFromString(MemoryReactorClock(), description), AcceptProxyServerEndpoint)


def test_linked_pages_exist() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []
