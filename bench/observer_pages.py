"""What open pages cost: the CPU time of a program while browsers look at it, less that of one without any observer.

    python -m bench.observer_pages          # 10,000 processes, 1,000 messages a second, five pages: under 5 % of a core

Two programs run, each a process of its own: games under a dynamic supervisor, each registered by its number, and a
task that plays them; one of the two has an observer too. The browsers are a third process, which holds a live stream
to each page and reads what comes. A round measures the program *without an observer*, the *observed* one at which
nobody looks, and the same *with the pages open*, one after the other, so that a slow minute of the machine falls on
all; who is not measured is at rest. The figures are the medians of the rounds' differences.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import Any
from urllib.parse import urlsplit

from regrow import DynamicSupervisor, GenServer, Registry, Supervisor, call
from regrow.observer import Observer
from regrow.observer.web import urls
from regrow.process import pid_of

LIMIT = 5.0
"""Percent of a core."""
PAGES = ("/", "/tree", "/processes?sort=messages&down=1", "/processes/{game}", "/crashes")
DEAREST = tuple(f"/processes?sort={sort}&down=1" for sort in ("messages", "busy", "mailbox", "name", "links"))


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


# --- a program, in its own process ------------------------------------------------------------------------------------


async def program(processes: int, rate: float, observed: bool) -> None:
    """Say where the page is, and the pid of a game. Then play for each line, and tell the cost."""
    tree = [
        Registry.child_spec("games.by_id", keys="unique"),
        Games.options(name=Games).child_spec(),
        *([Observer.child_spec(port=0)] if observed else ()),
    ]
    async with Supervisor.scope(tree):
        games, by_id = Games.named(Games), Registry.named("games.by_id")
        players: list[Game] = []
        for number in range(processes):
            spec = Game.options(name=by_id.via(f"g{number}")).child_spec(number)
            players.append(await games.start_child(spec))
        gc.collect()
        say({"urls": urls() if observed else (), "game": pid_of(players[0])})
        while line := await asyncio.to_thread(sys.stdin.readline):
            settle, seconds = map(float, line.split())
            playing = asyncio.create_task(play(players, rate))
            await asyncio.sleep(settle)
            say(await share(seconds))
            playing.cancel()


async def share(seconds: float) -> float:
    """The percentage of a core that this program takes in *seconds*."""
    before, loop = process_time(), asyncio.get_running_loop()
    began = loop.time()
    await asyncio.sleep(seconds)
    return 100 * (process_time() - before) / (loop.time() - began)


def say(what: object) -> None:
    print(json.dumps(what), flush=True)


# --- the browsers, in theirs ------------------------------------------------------------------------------------------


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


# --- all of them ------------------------------------------------------------------------------------------------------


class Program:
    """A program that runs beside this one."""

    def __init__(self, processes: int, rate: float, *, observed: bool) -> None:
        kind = "observed" if observed else "plain"
        self._process = start("--program", kind, str(processes), str(rate), stdin=subprocess.PIPE)
        self.told = self._answer()

    def share(self, settle: float, seconds: float) -> float:
        """The percentage of a core that it takes in *seconds*, after those in which it settles."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{settle} {seconds}\n".encode())
        self._process.stdin.flush()
        return float(self._answer())

    def end(self) -> None:
        self._process.communicate()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a program has ended before it was measured")
        return json.loads(line)


def start(*arguments: str, stdin: int | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(Path(__file__)), *arguments], stdin=stdin, stdout=subprocess.PIPE
    )


def measure(
    processes: int, rate: float, pages: Sequence[str], times: tuple[float, float], rounds: int
) -> float:
    plain = Program(processes, rate, observed=False)
    observed = Program(processes, rate, observed=True)
    (url,) = observed.told["urls"]
    paths = [page.format(game=observed.told["game"]) for page in pages]
    print(f"{processes:,} processes, {rate:,.0f} messages a second, {len(pages)} open pages at {url}")
    whole: list[float] = []
    looking: list[float] = []
    for number in range(1, rounds + 1):
        bare = plain.share(*times)
        unseen = observed.share(*times)
        browsers = start("--browse", url, *paths)
        try:
            seen = observed.share(*times)
        finally:
            browsers.terminate()
            got, _ = browsers.communicate()
        whole.append(seen - bare)
        looking.append(seen - unseen)
        print(
            f"  round {number}: {bare:5.2f} % without an observer, {unseen:5.2f} % observed, "
            f"{seen:5.2f} % with the pages open; {got.decode().strip()}"
        )
    plain.end()
    observed.end()
    print(f"{statistics.median(looking):.2f} % of a core for the pages, beside an observer that records")
    return statistics.median(whole)


def main() -> None:
    if sys.argv[1:2] == ["--browse"]:
        browse(sys.argv[2], sys.argv[3:])
        return
    if sys.argv[1:2] == ["--program"]:
        kind, processes, rate = sys.argv[2:]
        asyncio.run(program(int(processes), float(rate), kind == "observed"))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--dearest", action="store_true", help="five tables, each sorted by something else")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument(
        "--settle", type=float, default=2.5, help="before: opened pages have had their first, dearest look"
    )
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    pages = DEAREST if chosen.dearest else PAGES
    times = chosen.settle, chosen.seconds
    found = measure(chosen.processes, chosen.rate, pages, times, chosen.rounds)
    print(f"{found:.2f} % of a core for the observer and {len(pages)} open pages (bound: {LIMIT:g} %)")
    if found > LIMIT:
        raise SystemExit("that is too much")


if __name__ == "__main__":
    main()
