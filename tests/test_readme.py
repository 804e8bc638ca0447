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


def leads_somewhere(link: str) -> bool:
    path, _, anchor = link.partition("#")
    if not (ROOT / path).exists():
        return False
    headings = re.findall(r"(?m)^#+ (.*)$", (ROOT / path).read_text()) if anchor else []
    return not anchor or anchor in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert [link for link in links if not leads_somewhere(link)] == []


def test_files_to_install_exist() -> None:
    sources = re.findall(r"(?m)^install -m \d+ .*?(etc/\S+) /", README)
    assert len(sources) == 3
    assert [source for source in sources if not (ROOT / source).is_file()] == []


def test_architecture_names_modules_that_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = re.findall(r"`?\b([a-z]+/[a-z_]+)(?:\.py)?\b", page)
    packages = {path.parent.name for path in (ROOT / "mailproxy").glob("*/__init__.py")}
    modules = [name for name in named if name.partition("/")[0] in packages]
    assert modules
    inside = ROOT / "mailproxy"
    assert [name for name in modules if not ((inside / f"{name}.py").exists() or (inside / name).is_dir())] == []
