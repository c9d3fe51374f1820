"""The page in a real browser, over a running arcade: games come and go, crash, and come back.

It needs Chromium (Debian's package, or CHROMIUM=/path/to/it) and Playwright's Python package. Where they are missing
these tests are skipped, but not in CI.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from typing import Any

import httpx
import pytest

from examples.screenshots import CHROMIUM, FLAGS, observed_arcade

PHONE = {"width": 360, "height": 740}

try:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect, sync_playwright
except ImportError:
    sync_playwright = None  # type: ignore[assignment]  # told apart below

MISSING = (
    "Playwright is not installed: pip install playwright"
    if sync_playwright is None
    else "there is no Chromium: apt-get install chromium, or CHROMIUM=/path/to/it"
    if CHROMIUM is None
    else ""
)
if MISSING and os.environ.get("CI"):
    pytest.fail(f"CI has to run these tests, and {MISSING}", pytrace=False)
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING or "all there")


@pytest.fixture(scope="module")
def arcade() -> Generator[Any]:
    """The arcade without bots, with the observer beside it: ``(game server's address, observer's address)``."""
    with observed_arcade("--no-bots") as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Generator[Browser]:
    with sync_playwright() as playwright:
        yield from _launched(playwright)


def _launched(playwright: Playwright) -> Generator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
    yield browser
    browser.close()


@pytest.fixture
def page(chromium: Browser, arcade: tuple[str, str]) -> Generator[Page]:
    """A page of a fresh browser; at its end nothing may have been complained of, or asked of another host."""
    context = chromium.new_context(base_url=arcade[1], viewport={"width": 1200, "height": 800})
    page = context.new_page()
    watched = watch(page, arcade[1])
    yield page
    context.close()
    assert watched == []


def watch(page: Page, ours: str) -> list[str]:
    """What goes wrong on *page*: errors, CSP violations, requests to another host."""
    wrong: list[str] = []

    def console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "404 (Not Found)" not in message.text:
            wrong.append(f"console: {message.text}")

    page.on("console", console)
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("request", lambda request: None if request.url.startswith(ours) else wrong.append(request.url))
    return wrong


def new_game(arcade: tuple[str, str]) -> str:
    answer = httpx.post(f"{arcade[0]}/api/games", trust_env=False)
    return str(answer.json()["game"])


def live(page: Page) -> None:
    expect(page.get_by_role("button", name=re.compile("Live updates: Live"))).to_be_visible()


def test_a_game_appears_by_itself_is_crashed_from_the_page_and_its_restart_is_counted(
    page: Page, arcade: tuple[str, str]
) -> None:
    page.goto("/tree")
    live(page)
    game = new_game(arcade)
    link = page.locator(".tree a", has_text=game).first
    expect(link).to_be_visible()  # without a reload
    pid = link.locator(".pid").inner_text()
    link.click()

    expect(page.get_by_role("heading", level=1)).to_contain_text(game)
    page.locator(".actions summary", has_text="Kill").click()
    page.get_by_role("button", name=f"Kill process {pid}").click()
    expect(page.get_by_role("status").first).to_contain_text("was killed")
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Process {pid} has ended")

    successor = page.locator(".healed.big a")
    expect(successor).to_be_visible()
    successor.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(game)
    expect(page.locator("#restart-count")).to_have_text("1")

    # Again, with this page open elsewhere: the overview counts what happens.
    other = page.context.new_page()
    other.goto("/")
    restarts = other.locator(".figures div", has_text="Restarts").locator("dd")
    before = int(restarts.inner_text())
    page.locator(".actions summary", has_text="Kill").click()
    page.get_by_role("button", name=re.compile("Kill process")).click()
    page.locator(".healed.big a").click()
    expect(page.locator("#restart-count")).to_have_text("2")
    other.bring_to_front()
    expect(restarts).to_have_text(str(before + 1))
    other.close()


def test_a_crash_flashes_in_the_tree_and_is_told_in_full(page: Page, arcade: tuple[str, str]) -> None:
    game = new_game(arcade)
    page.goto("/tree")
    live(page)
    expect(page.locator(".tree a", has_text=game)).to_be_visible()
    crash(arcade, game)
    flashing = page.locator(".flash")
    expect(flashing.first).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("crashed: ")
    expect(page.locator(".tree li", has_text=game).last).to_contain_text("1 restart")

    page.get_by_role("link", name="Crashes").click()
    page.locator("a.reason").first.click()
    expect(page.locator(".traceback")).to_contain_text("Traceback (most recent call last)")
    expect(page.locator("body")).to_contain_text("Last message")
    page.locator(".healed.big a").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(game)


def crash(arcade: tuple[str, str], game: str) -> None:
    """Drop a disc off the edge of the board: the arcade's planted bug."""
    from websockets.exceptions import ConnectionClosedError
    from websockets.sync.client import connect

    with connect(f"{arcade[0].replace('http', 'ws')}/play/{game}?seat=red", proxy=None) as socket:
        socket.recv()
        socket.send('{"drop": 7}')
        with pytest.raises(ConnectionClosedError):
            while True:
                socket.recv()


def test_from_a_process_to_its_supervisor_and_on(page: Page, arcade: tuple[str, str]) -> None:
    game = new_game(arcade)
    page.goto(f"/processes?q={game}")
    page.locator("tbody th a").first.click()
    parent = page.locator("dt:has-text('Parent') + dd a")
    expect(parent).to_contain_text("Games")
    parent.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Games")
    expect(page.locator("dt:has-text('Strategy') + dd")).to_have_text("one_for_one")
    page.get_by_role("link", name=re.compile("in the tree")).click()
    expect(page.locator(".tree")).to_contain_text(game)


def test_the_table_sorts_filters_and_turns_over(page: Page, arcade: tuple[str, str]) -> None:
    for _ in range(3):
        game = new_game(arcade)
    page.goto("/processes")
    page.get_by_role("link", name="Handled").click()
    expect(page).to_have_url(re.compile(r"sort=messages&down=1"))
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Handled")
    page.get_by_label("Filter").fill(game)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"q={game}"))
    expect(page.locator("tbody tr")).to_have_count(1)
    live(page)
    page.get_by_label("Filter").fill("half typed")
    page.locator("h1").click()
    page.wait_for_timeout(2500)  # two updates
    expect(page.get_by_label("Filter")).to_have_value("half typed")
    page.goto("/registries")
    page.get_by_role("link", name="arcade.games").click()
    expect(page.locator("tbody")).to_contain_text(game)


def test_it_is_all_there_by_the_keyboard(page: Page, arcade: tuple[str, str]) -> None:
    game = new_game(arcade)
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#page")).to_be_focused()
    page.goto("/")
    tab_to(page, "Tree")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Tree")
    live(page)

    # What is folded stays folded, and what has the focus keeps it, while the page goes on.
    tab_to(page, "Front")  # the line of a supervisor, which folds
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    folded = page.locator("details:not([open])").count()
    assert folded >= 1
    before = page.evaluate("document.activeElement.textContent")
    another = new_game(arcade)
    expect(page.locator(".tree a", has_text=another)).to_be_visible()
    assert page.locator("details:not([open])").count() == folded
    assert page.evaluate("document.activeElement.textContent") == before

    tab_to(page, game)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(game)
    tab_to(page, "Restart")
    page.keyboard.press("Enter")
    tab_to(page, "Restart process")
    page.keyboard.press("Space")
    expect(page.get_by_role("status").first).to_contain_text("was stopped; process")


def tab_to(page: Page, text: str) -> None:
    """Press Tab until what has the focus begins with *text*."""
    for _ in range(150):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.innerText || document.activeElement.value || ''")
        if re.match(rf"\s*[^\w]*{re.escape(text)}", focused):
            return
    raise AssertionError(f"no way to {text!r} by Tab")


def test_live_updates_can_be_paused(page: Page, arcade: tuple[str, str]) -> None:
    page.goto("/tree")
    live(page)
    page.get_by_role("button", name=re.compile("Pause")).click()
    expect(page.locator("#live")).to_have_text("Paused")
    game = new_game(arcade)
    page.wait_for_timeout(2000)
    expect(page.locator(".tree a", has_text=game)).to_have_count(0)
    page.get_by_role("button", name=re.compile("Go on")).click()
    expect(page.locator(".tree a", has_text=game)).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_screen(
    chromium: Browser, arcade: tuple[str, str], scheme: Any
) -> None:
    crash(arcade, new_game(arcade))
    context = chromium.new_context(
        base_url=arcade[1],
        viewport=PHONE,  # type: ignore[arg-type]  # a size
        color_scheme=scheme,
        has_touch=True,
        is_mobile=True,
    )
    page = context.new_page()
    watched = watch(page, arcade[1])
    page.goto("/crashes")
    first = page.locator("a.reason").first.get_attribute("href")
    page.goto("/processes?q=Game")
    one = page.locator("tbody th a").first.get_attribute("href")
    page.goto("/registries")
    registry = page.locator("tbody th a").first.get_attribute("href")
    for path in ("/", "/tree", "/processes", "/registries", "/crashes", first, one, registry):
        page.goto(str(path))
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
        small = page.evaluate(
            "[...document.querySelectorAll('main a, main button, main summary')].filter(e => e.offsetWidth)"
            ".filter(e => e.getBoundingClientRect().height < 18).map(e => e.outerHTML)"
        )
        assert small == [], path
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", ground)[0]) < 60) is (scheme == "dark")
    context.close()
    assert watched == []


def test_without_a_script_all_is_there_but_the_updates(chromium: Browser, arcade: tuple[str, str]) -> None:
    game = new_game(arcade)
    context = chromium.new_context(base_url=arcade[1], java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    expect(page.locator("polyline")).to_have_count(4)
    page.get_by_role("link", name="Tree").click()
    page.locator(".tree a", has_text=game).click()
    expect(page.locator("#live")).to_be_hidden()
    page.locator(".actions summary", has_text="Stop").click()
    page.get_by_role("button", name=re.compile("Stop process")).click()
    expect(page.locator(".note")).to_contain_text("has stopped")
    context.close()


def test_the_text_can_be_read(page: Page, arcade: tuple[str, str]) -> None:
    """Contrast of text and its ground, as WCAG AA wants it: 4.5 to 1."""
    crash(arcade, new_game(arcade))
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for path in ("/", "/tree", "/processes", "/crashes"):
            page.goto(path)
            assert page.evaluate(CONTRAST) == [], (scheme, path)


CONTRAST = """
() => {
  const light = (rgb) => rgb.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const bad = new Set();
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some(each => each.nodeType === 3 && each.textContent.trim());
    const box = node.getBoundingClientRect();
    if (!own || box.width < 2 || node.closest(".hidden, .skip, .flash, [hidden], meter, script")) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) bad.add(`${ratio.toFixed(2)} ${node.tagName}.${node.className} ${node.textContent.trim()}`);
  }
  return [...bad];
}
"""
