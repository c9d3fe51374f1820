"""The page "The observer": its examples run as they stand there, and it names all there is."""

from __future__ import annotations

import asyncio
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

from regrow import Supervisor, application, process
from regrow.application import errors
from regrow.observer import Observer, web
from regrow.observer.observer import ObserverKeywords
from regrow.observer.web import urls
from tests.application.subprocesses import run_python
from tests.observer.web_client import BROWSER, Games

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "observer.md").read_text(encoding="utf-8")
EXAMPLES: dict[str, str] = dict(re.findall(r"```\w+\n# (\w+\.\w+)\n(.*?)```", PAGE, flags=re.DOTALL))


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports an example of the page by its name. It listens at a free port."""
    for name, text in EXAMPLES.items():
        (tmp_path / name).write_text(text.replace("port=4000", "port=0"), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module
    for name in EXAMPLES:
        sys.modules.pop(name.removesuffix(".py"), None)


def test_every_example_has_a_file_name() -> None:
    assert len(EXAMPLES) == len(re.findall(r"```\w", PAGE))
    assert set(EXAMPLES) == {"shop.py", "pyproject.toml", "web.py", "guarded.py", "look.py", "follow.py"}


@pytest.mark.real_time("a socket")
async def test_the_program_has_its_page(example: Any) -> None:
    shop = example("shop")
    await application.ensure_all_started(shop.Shop)
    try:
        cart = await shop.Carts.named(shop.Carts).start_child(shop.Cart)
        assert await cart.put("tea", 2) == 2
        async with httpx.AsyncClient(trust_env=False) as client:
            html = (await client.get(f"{urls()[0]}tree", headers=BROWSER)).text
        assert "Cart" in html
    finally:
        await application.stop("shop")


def test_the_configuration_is_one_that_the_application_takes() -> None:
    table = tomllib.loads(EXAMPLES["pyproject.toml"])["tool"]["regrow"]["env"]["observer"]
    assert set(table) <= set(ObserverKeywords.__annotations__)
    from regrow.application.boot import resolve

    (address,) = set(re.findall(r'extra_applications = \["(.*?)"\]', PAGE))
    try:
        resolve(address, {})
    except errors.UnknownApplication as error:
        pytest.fail(str(error))


async def test_the_page_in_fastapi(example: Any) -> None:
    pytest.importorskip("fastapi")
    app = example("web").app
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://shop.example") as client:
            html = (await client.get("/observer/tree", headers=BROWSER)).text
    assert "Carts" in html
    assert 'href="/observer/processes"' in html


def test_the_guarded_one(example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBSERVER_TOKEN", "a-token-that-is-long-enough")
    assert "a-token" not in repr(example("guarded").child)
    sys.modules.pop("guarded")
    monkeypatch.setenv("OBSERVER_TOKEN", "")
    with pytest.raises(ValueError, match="0 characters"):
        example("guarded")


async def test_looking_and_following(example: Any) -> None:
    from tests.observer.web_client import program

    seen: list[Any] = []
    async with program() as it:
        following = asyncio.ensure_future(example("follow").follow(seen.append))
        await asyncio.sleep(0)
        rows = await example("look").longest_mailboxes()
        assert "Game" in [kind for _, kind, _ in rows]
        await it.crash()
        await asyncio.sleep(1)
        assert seen[0][0] == "crash"
    await following
    assert process.whereis(Games) is None


def test_it_names_every_option_and_every_picture_is_there() -> None:
    for name in ObserverKeywords.__annotations__:
        assert f"`{name}`" in PAGE, name
    pictures = re.findall(r"\]\((images/[^)]+)\)", PAGE)
    assert len(pictures) == 3
    for each in pictures:
        assert (ROOT / "docs" / each).read_bytes().startswith(b"\x89PNG")


def test_the_benchmark_runs() -> None:
    """How much it says is another matter: this machine may be busy."""
    size = ["--processes", "200", "--rate", "100", "--rounds", "1", "--seconds", "1", "--settle", "0.5"]
    done = run_python("-m", "bench.observer_pages", *size, cwd=ROOT)
    assert re.search(r"round 1: .* [1-9]\d* pages, .* MB came", done.stdout), done.stdout + done.stderr
    assert "of a core for the observer and 5 open pages" in done.stdout


def forget_the_web_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be imported anew, until the end of the test."""
    for name in [name for name in sys.modules if name.startswith("regrow.observer.web.")]:
        monkeypatch.delitem(sys.modules, name)
        monkeypatch.delattr(web, name.rpartition(".")[2])


def test_without_the_libraries_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_the_web_page(monkeypatch)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=re.escape('pip install "regrow[web]"')):
        Observer.asgi()


async def test_without_the_libraries_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_the_web_page(monkeypatch)
    monkeypatch.setitem(sys.modules, "starlette", None)
    monkeypatch.setitem(sys.modules, "starlette.types", None)
    with pytest.raises(Exception, match=re.escape('pip install "regrow[web]"')):
        async with Supervisor.scope([Observer.child_spec(port=0)]):
            pass
