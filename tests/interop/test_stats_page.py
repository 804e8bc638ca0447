"""The stats page in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.interop.browser import CONTRAST, NAMELESS, Tab, chromium
from tests.interop.certificates import Certificates
from tests.interop.clients import connect, connect_tls, read_line
from tests.interop.conftest import StartFront, StartPool
from tests.interop.front import frontend
from tests.interop.http import TOKEN, Http
from tests.interop.pool import Pool
from tests.interop.ports import free_port
from tests.interop.server import until_end
from tests.interop.waiting import PATIENCE_SECONDS, until

expect.set_options(timeout=PATIENCE_SECONDS * 1000)

WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 400, "height": 800}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


class Scene:
    """Servers that can go down, a mailproxy before them, and the address of its page."""

    def __init__(
        self, pool: StartPool, pki: Certificates, folder: Path, *, token_for: str = "changes", **options: Any
    ) -> None:
        token = folder / "token"
        token.touch(0o600)
        token.write_text(f"{TOKEN}\n")
        self.http = Http(free_port())
        self.url = f"http://127.0.0.1:{self.http.port}/stats"
        self.tls_port = free_port()
        self.pki = pki
        top = {
            "admin": {
                "http": f"127.0.0.1:{self.http.port}",
                "http-token-file": str(token),
                "http-token-for": token_for,
            },
            "tls": {"default": {"certificates": [str(pki.server_ec)]}},
        }
        frontends = {"secure": frontend(self.tls_port, "pool")}
        self.pool: Pool = pool({"a": {}, "b": {}}, top=top, frontends=frontends, **options)


@pytest.fixture
def scene(pool: StartPool, pki: Certificates, folder: Path) -> Scene:
    return Scene(pool, pki, folder)


class Opened:
    """The page in a tab; leaving checks that its console has said nothing."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.tab = Tab(browser, **options)
        self.page: Page = self.tab.page
        self.page.goto(url)

    def __enter__(self) -> Page:
        return self.page

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        complaints = list(self.tab.complaints)
        self.tab.close()
        if kind is None:
            assert complaints == []


def use_token(page: Page, token: str = TOKEN) -> None:
    page.get_by_label("Token", exact=True).fill(token)
    page.get_by_role("button", name="use", exact=True).click()


def server(page: Page, name: str) -> Any:
    return page.locator(f'.servers tbody[data-key="pool/{name}"]')


def test_page_follows_sessions_and_servers(browser: Browser, scene: Scene) -> None:
    with Opened(browser, scene.url, **WIDE) as page, ExitStack() as stack:
        expect(page.locator("#live")).to_have_text("live")
        expect(page.locator("#attention")).to_contain_text("Nothing is wrong")
        expect(page.locator("#sessions-list")).to_contain_text("0 sessions")
        connections = [stack.enter_context(connect(scene.pool.port)) for _ in range(3)]
        for connection in connections:
            read_line(connection)
        host, port = connections[0].getsockname()
        expect(page.locator("#sessions-list")).to_contain_text(f"{host}:{port}")
        expect(page.locator(".card", has_text="Sessions").locator("strong")).to_have_text("3")
        expect(page.locator("#clients")).to_contain_text("127.0.0.1")
        scene.pool.switches["a"].turn_off()
        expect(page.locator("#attention")).to_contain_text("Server pool/a is down")
        expect(server(page, "a").locator(".state")).to_have_text("down")
        expect(server(page, "b").locator(".state")).to_have_text("up")
        expect(page.locator("#events")).to_contain_text("server pool/a imap is DOWN")
        scene.pool.switches["a"].turn_on()
        expect(page.locator("#attention")).to_contain_text("Nothing is wrong")


def test_buttons_do_what_they_say(browser: Browser, scene: Scene) -> None:
    with Opened(browser, scene.url, **WIDE) as page, connect(scene.pool.port) as connection:
        read_line(connection)
        assert page.locator(".actions:visible").count() == 0
        use_token(page)
        expect(page.locator("#said")).to_contain_text("The token is right")
        for word, name in (("drain", "drain pool/b"), ("maint", "put into maintenance: pool/b")):
            button = page.get_by_role("button", name=name)
            button.click()
            expect(button).to_have_text("sure?")
            expect(server(page, "b").locator(".state")).not_to_contain_text(word)
            button.dblclick()  # it may not be armed any more
            expect(server(page, "b").locator(".state").first).to_contain_text(word)
        expect(page.locator("#said")).to_contain_text("server pool/b: state drain -> maint")
        page.get_by_role("button", name="use pool/b").click()
        expect(server(page, "b").locator(".state")).to_have_text("up")
        weight = page.get_by_label("weight of pool/a", exact=True)
        weight.fill("50%")
        weight.press("Enter")
        expect(server(page, "a")).to_contain_text("configured 100")
        expect(page.locator("#said")).to_contain_text("server pool/a: weight 100 -> 50")
        page.get_by_role("button", name="check pool/a now").click()
        expect(page.locator("#said")).to_contain_text("pool/a imap: passed")
        end = page.get_by_role("button", name=re.compile("^end session "))
        end.dblclick()
        expect(page.locator("#said")).to_contain_text(re.compile(r"session \S+ ends"))
        expect(page.locator("#sessions-list")).to_contain_text("0 sessions")
        until_end(connection)
        page.get_by_role("button", name="forget the token").click()
        expect(page.locator(".actions:visible")).to_have_count(0)


def test_wrong_token_is_reported(browser: Browser, scene: Scene) -> None:
    opened = Opened(browser, scene.url, **WIDE)
    use_token(opened.page, "x" * 20)
    expect(opened.page.locator("#said")).to_contain_text("This token is wrong.")
    expect(opened.page.locator(".actions:visible")).to_have_count(0)
    assert opened.page.evaluate("sessionStorage.length") == 0
    opened.tab.close()  # the browser's console has the status 401


def test_page_asks_for_the_token_where_everything_needs_it(
    browser: Browser, pool: StartPool, pki: Certificates, folder: Path
) -> None:
    scene = Scene(pool, pki, folder, token_for="all")
    with Opened(browser, scene.url, http_credentials={"username": "admin", "password": TOKEN}, **WIDE) as page:
        expect(page.locator("#live")).to_have_text("live")
        use_token(page)
        button = page.get_by_role("button", name="drain pool/b")
        button.dblclick()  # the second click is in time, however busy the machine is
        expect(page.locator("#said")).to_contain_text("server pool/b: state ready -> drain")


def test_search_is_made_by_the_server_and_stays(browser: Browser, scene: Scene) -> None:
    with Opened(browser, scene.url, **WIDE) as page, ExitStack() as stack:
        for source in ("127.0.0.2", "127.0.0.3", "127.0.0.3"):
            read_line(stack.enter_context(connect(scene.pool.port, source)))
        read_line(stack.enter_context(connect_tls(scene.tls_port, scene.pki.client())))
        page.get_by_label("Search sessions").fill("127.0.0.3")
        page.get_by_role("button", name="search", exact=True).click()
        expect(page.locator("#sessions-list")).to_contain_text("2 of 4 sessions match")
        expect(page.locator("#sessions-list tbody tr")).to_have_count(2)
        page.reload()
        expect(page.get_by_label("Search sessions")).to_have_value("127.0.0.3")
        expect(page.locator("#sessions-list tbody tr")).to_have_count(2)
        page.get_by_label("Search sessions").fill("mail.example.org")
        page.get_by_label("Search sessions").press("Enter")
        expect(page.locator("#sessions-list tbody tr")).to_have_count(1)


def test_pause_holds_the_page(browser: Browser, scene: Scene) -> None:
    with Opened(browser, scene.url, **WIDE) as page:
        expect(page.locator("#live")).to_have_text("live")
        page.get_by_role("button", name="pause").click()
        expect(page.locator("#live")).to_have_text("paused")
        with connect(scene.pool.port) as connection:
            read_line(connection)
            until(lambda: b"1 sessions" in scene.http.get("/stats").body, "the session on a page that is not held")
            expect(page.locator("#sessions-list")).to_contain_text("0 sessions")
            page.get_by_role("button", name="go on").click()
            expect(page.locator("#sessions-list")).to_contain_text("1 sessions")


def test_focus_and_text_survive_updates(browser: Browser, scene: Scene) -> None:
    with Opened(browser, scene.url, **WIDE) as page:
        use_token(page)
        weight = page.get_by_label("weight of pool/b", exact=True)
        weight.fill("7")
        with connect(scene.pool.port) as connection:
            read_line(connection)
            expect(page.locator("#sessions-list tbody tr")).to_have_count(1)
        expect(page.locator("#sessions-list")).to_contain_text("0 sessions")
        expect(weight).to_have_value("7")
        expect(weight).to_be_focused()


def test_page_is_whole_without_javascript(browser: Browser, scene: Scene) -> None:
    with connect(scene.pool.port, "127.0.0.9") as connection:
        read_line(connection)
        with Opened(browser, scene.url, java_script_enabled=False, **WIDE) as page:
            expect(page.locator("#sessions-list")).to_contain_text("127.0.0.9")
            expect(page.locator("#controls")).to_be_hidden()
            expect(page.locator(".actions:visible")).to_have_count(0)
            page.get_by_label("Search sessions").fill("192.0.2.1")
            page.get_by_role("button", name="search", exact=True).click()
            expect(page.locator("#sessions-list")).to_contain_text("0 of 1 sessions match")


def test_page_connects_again_to_a_service_that_was_away(browser: Browser, scene: Scene, front: StartFront) -> None:
    opened = Opened(browser, scene.url, **WIDE)
    expect(opened.page.locator("#live")).to_have_text("live")
    configuration = scene.pool.configuration
    scene.pool.front.terminate()
    scene.pool.front.wait()
    expect(opened.page.locator("#live")).to_have_text("no connection")
    front(configuration)
    expect(opened.page.locator("#live")).to_have_text("live")
    opened.tab.close()  # the browser's console has the connections that were refused


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["1280", "400"])
def test_page_has_enough_contrast_and_names_for_all_controls(
    browser: Browser, scene: Scene, scheme: Any, size: dict[str, Any]
) -> None:
    with Opened(browser, scene.url, color_scheme=scheme, **size) as page, ExitStack() as stack:
        for _ in range(3):
            read_line(stack.enter_context(connect(scene.pool.port)))
        scene.pool.switches["a"].turn_off()
        use_token(page)
        button = page.get_by_role("button", name="drain pool/b")
        button.dblclick()  # the second click is in time, however busy the machine is
        expect(page.locator("#attention")).to_contain_text("Server pool/a is down")
        expect(page.locator("#attention")).to_contain_text("Server pool/b is drained")
        page.get_by_role("button", name="put into maintenance: pool/b").click()  # "sure?" is read, too
        found = page.evaluate(CONTRAST)
        assert found["bad"] == []
        assert found["texts"] > 100
        named = page.evaluate(NAMELESS)
        assert named["title"].endswith(": mailproxy")
        del named["title"]
        assert named == {
            "nameless": [],
            "twice": [],
            "skipped": [],
            "headless": 0,
            "svg": 0,
            "language": "en",
            "mains": 1,
        }
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


def test_thousands_of_sessions_do_not_make_it_slow(browser: Browser, scene: Scene) -> None:
    with ExitStack() as stack:
        for _ in range(400):
            read_line(stack.enter_context(connect(scene.pool.port)))
        with Opened(browser, scene.url, **WIDE) as page:
            expect(page.locator("#sessions-list")).to_contain_text("400 sessions; the newest 30 are shown")
            expect(page.locator("#sessions-list tbody tr")).to_have_count(30)
            expect(page.locator("#clients")).to_contain_text("400")
