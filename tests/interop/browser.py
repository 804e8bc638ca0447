"""Chromium without a screen, and checks of a page in it that need no person."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.interop import peers
from tests.interop.waiting import PATIENCE_SECONDS

_ARGUMENTS = [
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

CONTRAST = """
() => {
  const parse = (text) => {
    const found = text.match(/[\\d.]+/g).map(Number);
    return { rgb: found.slice(0, 3), alpha: found.length > 3 ? found[3] : 1 };
  };
  const over = (top, below) => top.rgb.map((one, index) => one * top.alpha + below[index] * (1 - top.alpha));
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(parse(getComputedStyle(one).backgroundColor));
    return layers.reduceRight((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const luminance = (rgb) => {
    const linear = (one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = rgb.map((one) => linear(one / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const opacity = (element) => {
    let found = 1;
    for (let one = element; one; one = one.parentElement) found *= Number(getComputedStyle(one).opacity);
    return found;
  };
  const bad = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest(".unseen, .skip, :disabled")) continue;
    const style = getComputedStyle(element);
    const back = behind(element);
    const text = parse(style.color);
    text.alpha *= opacity(element);
    const both = [luminance(over(text, back)), luminance(back)].sort((a, b) => b - a);
    const ratio = (both[0] + 0.05) / (both[1] + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    texts += 1;
    if (ratio < (isLarge ? 3 : 4.5)) bad.push(`${walker.currentNode.data.trim()}: ${ratio.toFixed(2)}`);
  }
  return { texts, bad };
}
"""
"""All texts with less contrast than WCAG 2.2 asks for at level AA (1.4.3), and the number of texts."""

NAMELESS = """
() => {
  const textOf = (id) => document.getElementById(id)?.textContent || "";
  const name = (one) =>
    one.getAttribute("aria-label") ||
    (one.getAttribute("aria-labelledby") || "").split(" ").map(textOf).join("") ||
    [...(one.labels || [])].map((label) => label.textContent).join("") ||
    (one.tagName === "INPUT" ? "" : one.textContent);
  const asked = "button, input, a[href], section, table th, svg[role=img], form[role]";
  const bad = [...document.querySelectorAll(asked)].filter((one) => one.tagName !== "FORM" && !name(one).trim());
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  const levels = [...document.querySelectorAll("h1, h2, h3")].map((one) => Number(one.tagName[1]));
  return {
    nameless: bad.map((one) => one.outerHTML.slice(0, 120)),
    twice: ids.filter((id, index) => ids.indexOf(id) !== index),
    skipped: levels.filter((level, index) => index && level > levels[index - 1] + 1),
    headless: [...document.querySelectorAll("th:not([scope])")].length,
    svg: [...document.querySelectorAll("svg:not([aria-hidden]):not([role])")].length,
    language: document.documentElement.lang,
    title: document.title,
    mains: document.querySelectorAll("main").length,
  };
}
"""
"""What a person with a screen reader would miss."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium."""
    peers.need("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=peers.find("chromium"), args=_ARGUMENTS, timeout=PATIENCE_SECONDS * 1000
        )
        try:
            yield browser
        finally:
            browser.close()


class Tab:
    """A page that a person has open, and all that its console says."""

    def __init__(self, browser: Browser, **options: Any) -> None:
        self._context = browser.new_context(**options)
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(PATIENCE_SECONDS * 1000)
        self.complaints: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", self._failed)

    def _failed(self, request: Any) -> None:
        # The browser itself gives up what is under way when its tab is closed, or goes to another page.
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"{request.url}: {request.failure}")

    def close(self) -> None:
        self._context.close()
