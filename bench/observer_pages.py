"""What open pages cost: the CPU time of a program while browsers look at it, less what it takes without them.

    python -m bench.observer_pages          # 10,000 processes, 1,000 messages a second, five pages: under 5 % of a core

The program runs in this process: games under a dynamic supervisor, each registered by its number, and a task that
plays them. The browsers are another process, which holds a live stream to each page and reads what comes. With and
without are measured in turns, so that a slow minute of the machine falls on both; the figure is the median of the
differences.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import process_time
from urllib.parse import urlsplit

from regrow import DynamicSupervisor, GenServer, Registry, Supervisor, call
from regrow.observer import Observer
from regrow.observer.web import urls

LIMIT = 5.0
"""Percent of a core."""
PAGES = ("/", "/tree", "/processes?sort=messages&down=1", "/processes/{game}", "/crashes")
DEAREST = tuple(f"/processes?sort={sort}&down=1" for sort in ("messages", "busy", "mailbox", "name", "links"))
SETTLE = 2.5
"""Seconds after the pages are opened, for their first and dearest look."""


class Game(GenServer, restart="transient"):
    def __init__(self, number: int) -> None:
        self.number = number
        self.cells = [""] * 9

    @call
    def play(self, cell: int, mark: str) -> int:
        self.cells[cell] = mark
        return self.number


class Games(DynamicSupervisor): ...


async def play(games: Sequence[Game], rate: float) -> None:
    """*rate* calls a second, in fifty portions, each game in its turn."""
    loop, portion, turn = asyncio.get_running_loop(), max(1, round(rate / 50)), 0
    due = loop.time()
    while True:
        for _ in range(portion):
            await games[turn % len(games)].play(turn % 9, "x")
            turn += 1
        due += portion / rate
        await asyncio.sleep(max(0.0, due - loop.time()))


async def measure(processes: int, rate: float, pages: Sequence[str], seconds: float, rounds: int) -> float:
    tree = [
        Registry.child_spec("games.by_id", keys="unique"),
        Games.options(name=Games).child_spec(),
        Observer.child_spec(port=0),
    ]
    async with Supervisor.scope(tree):
        games, by_id = Games.named(Games), Registry.named("games.by_id")
        players: list[Game] = []
        for number in range(processes):
            spec = Game.options(name=by_id.via(f"g{number}")).child_spec(number)
            players.append(await games.start_child(spec))
        (url,) = urls()
        gc.collect()
        playing = asyncio.create_task(play(players, rate))
        print(f"{processes:,} processes, {rate:,.0f} messages a second, {len(pages)} open pages at {url}")
        differences = []
        for number in range(1, rounds + 1):
            without = await share(seconds)
            browsers = start_browsers(url, pages, players[0])
            try:
                await asyncio.sleep(SETTLE)
                looked_at = await share(seconds)
            finally:
                browsers.terminate()
                got, _ = await asyncio.to_thread(browsers.communicate)
            differences.append(looked_at - without)
            print(
                f"  round {number}: {without:5.2f} % without, {looked_at:5.2f} % with: "
                f"{looked_at - without:5.2f} %; {got.decode().strip()}"
            )
            await asyncio.sleep(0.5)
        playing.cancel()
        return statistics.median(differences)


async def share(seconds: float) -> float:
    """The percentage of a core that this program takes in *seconds*."""
    before, loop = process_time(), asyncio.get_running_loop()
    began = loop.time()
    await asyncio.sleep(seconds)
    return 100 * (process_time() - before) / (loop.time() - began)


def start_browsers(url: str, pages: Sequence[str], game: Game) -> subprocess.Popen[bytes]:
    from regrow.process import pid_of

    paths = [page.format(game=pid_of(game)) for page in pages]
    return subprocess.Popen(
        [sys.executable, str(Path(__file__)), "--browse", url, *paths], stdout=subprocess.PIPE
    )


# --- the other process ------------------------------------------------------------------------------------------------


def browse(url: str, paths: Sequence[str]) -> None:
    """Hold a stream to each of *paths* and read what comes, until terminated; then say how much that was."""
    import signal

    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    address = urlsplit(url)
    counts = {"events": 0, "bytes": 0}

    async def one(path: str) -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(
            f"GET {path} HTTP/1.1\r\nhost: {address.netloc}\r\naccept: text/event-stream\r\n\r\n".encode()
        )
        while chunk := await reader.read(65536):
            counts["events"] += chunk.count(b"event: page")
            counts["bytes"] += len(chunk)

    async def all_of_them() -> None:
        await asyncio.gather(*map(one, paths))

    try:
        asyncio.run(all_of_them())
    finally:
        print(f"{counts['events']} pages, {counts['bytes'] / 1e6:.1f} MB came")


def main() -> None:
    if sys.argv[1:2] == ["--browse"]:
        browse(sys.argv[2], sys.argv[3:])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--dearest", action="store_true", help="five tables, each sorted by something else")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    pages = DEAREST if chosen.dearest else PAGES
    found = asyncio.run(measure(chosen.processes, chosen.rate, pages, chosen.seconds, chosen.rounds))
    print(f"{found:.2f} % of a core for {len(pages)} open pages (bound: {LIMIT:g} %)")
    if found > LIMIT:
        raise SystemExit("that is too much")


if __name__ == "__main__":
    main()
