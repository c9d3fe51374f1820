"""Make the pictures of docs/images anew: the observer's overview, tree and one crash, of the arcade as bots play it.

    python -m examples.screenshots                        # into docs/images, in a minute
    python -m examples.screenshots --into /tmp --dark     # elsewhere, and as they look in the dark

It needs Chromium (CHROMIUM=/path/to/it, or on the PATH) and Playwright's Python package, which brings none of its own
here: pip install "regrow[web,demo]" playwright.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox",  # in a container one is often root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
INTERVAL = 0.25
"""Seconds between two samples, so that a chart is full in half a minute."""
SETTLED = 10 + 121 * INTERVAL
"""Seconds until a chart is full of what comes after the start."""
SHORTEN = """
(root) => {
  const shorten = () => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const text = texts.currentNode;
      if (text.data.includes(root)) text.data = text.data.replaceAll(root, "");
    }
  };
  new MutationObserver(shorten).observe(document.body, {subtree: true, childList: true, characterData: true});
  shorten();
}
"""
"""Takes out of a page, and keeps out, where on this machine the checkout lies: nobody else's business."""


@contextmanager
def observed_arcade(*arguments: str, **settings: object) -> Generator[tuple[str, str]]:
    """The observed arcade in a process of its own: the address of its games, and that of its observer.

    *arguments* are the arcade's, *settings* the observer's.
    """
    port, observer_port = _free_ports(2)
    command = [sys.executable, "-m", "examples.observed_arcade", "--port", str(port), "--seconds", "900"]
    configured = {f"REGROW_OBSERVER__{name.upper()}": str(value) for name, value in settings.items()}
    program = subprocess.Popen(
        [*command, *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "REGROW_OBSERVER__PORT": str(observer_port),
            **configured,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    games, observer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{observer_port}"
    try:
        for url in (f"{games}/api/arcade", f"{observer}/readyz"):
            _wait_for(url, program)
        yield games, observer
    finally:
        program.terminate()
        _, said = program.communicate(timeout=60)
    if program.returncode != 0:
        raise RuntimeError(f"the arcade ended with {program.returncode}: {said.decode()}")


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        found = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in found]


def _wait_for(url: str, program: subprocess.Popen[bytes]) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(300):
        try:
            with direct.open(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass  # not yet
        if program.poll() is not None:
            raise RuntimeError(f"the arcade did not start: {program.communicate()[1].decode()}")
        time.sleep(0.1)
    raise RuntimeError(f"nobody answers at {url}")


def take(into: Path, scheme: str) -> list[Path]:
    """Take the pictures; gives their files."""
    from playwright.sync_api import sync_playwright

    into.mkdir(parents=True, exist_ok=True)
    suffix = "-dark" if scheme == "dark" else ""
    files = [into / f"{name}{suffix}.png" for name in ("overview", "tree", "crash")]
    arguments = ("--games", "14", "--crash-rate", "0.1", "--pace", "0.1")
    with observed_arcade(*arguments, interval=INTERVAL) as (_, url), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        context = browser.new_context(
            base_url=url,
            viewport={"width": 1200, "height": 760},
            device_scale_factor=1.5,
            color_scheme=scheme,  # type: ignore[arg-type]  # light or dark
        )
        page = context.new_page()

        def go(path: str) -> None:
            page.goto(path)
            page.evaluate(SHORTEN, f"{ROOT}/")

        go("/")
        page.wait_for_timeout(SETTLED * 1000)
        page.screenshot(path=files[0])
        go("/tree")
        page.locator(".flash").first.wait_for(timeout=60_000)
        page.wait_for_timeout(200)
        page.screenshot(path=files[1])
        go("/crashes")
        go(str(page.locator("a.reason").nth(1).get_attribute("href")))
        page.wait_for_timeout(500)
        page.screenshot(path=files[2])
        browser.close()
    return files


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--dark", action="store_true")
    given = parser.parse_args()
    if CHROMIUM is None:
        raise SystemExit("error: there is no Chromium: apt-get install chromium, or CHROMIUM=/path/to/it")
    for file in take(given.into, "dark" if given.dark else "light"):
        print(file)


if __name__ == "__main__":
    main()
