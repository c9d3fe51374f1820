"""What you see: the live view in a terminal, a line each second without one, and the summary at the end.

The view is a process like the others, and only looks: at the supervisors, by asking them, and at the book.
"""

from __future__ import annotations

import asyncio

from rich.console import Console
from rich.live import Live

from .census import census
from .picture import FRAMES_A_SECOND, Picture
from .settings import Settings
from .stats import Book


async def show(settings: Settings, book: Book, url: str) -> None:
    """The view as a child: until its supervisor ends it."""
    if settings.plain:
        await _print_lines(book, url)
        return
    picture = Picture(settings, book, url)
    with Live(console=Console(), auto_refresh=False, screen=True) as live:
        while True:
            picture.tree = await census()
            picture.tick()
            live.update(picture.draw(live.console.width, live.console.height), refresh=True)
            await asyncio.sleep(1 / FRAMES_A_SECOND)


async def _print_lines(book: Book, url: str) -> None:
    print(f"arcade open at {url}", flush=True)
    while True:
        await asyncio.sleep(1.0)
        print(one_line(book), flush=True)


def one_line(book: Book) -> str:
    return (
        f"{book.seconds:5.1f} s  {book.running} running, {book.finished} finished, {book.moves} moves, "
        f"{book.crashes} crashed, {book.restarts} restarted, {book.healed} healed"
    )


def summary(book: Book) -> str:
    """The last word: all figures, and what does not add up."""
    rate = book.moves / book.seconds if book.seconds else 0.0
    lines = [
        f"The arcade was open for {book.seconds:.1f} s.",
        f"  games     {book.started} started = {book.finished} finished + {book.abandoned} abandoned "
        f"+ {book.stopped + book.running} cut off at the end",
        f"  moves     {book.moves}, {rate:,.0f} a second, each through a socket",
        f"  crashes   {book.crashes}, of them {book.planted} planted by bots",
        f"  restarts  {book.restarts} by the supervisor",
        f"  healed    {book.healed} of {book.hurt} games that crashed under bots were played to the end"
        + ("" if book.closed_in_order else "; the others were cut off"),
    ]
    if book.returns:
        median = sorted(book.returns)[len(book.returns) // 2]
        lines.append(f"  players   were back at the board {median * 1000:.1f} ms after a crash (median)")
    complaints = book.complaints()
    lines += [f"  WRONG     {complaint}" for complaint in complaints] or ["  All of it adds up."]
    return "\n".join(lines)
