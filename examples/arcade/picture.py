"""The live view, frame by frame: the tree, the figures, every running game as a dot, and who crashed."""

from __future__ import annotations

import time
from collections import deque

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from .census import Node
from .reports import reports
from .settings import Settings
from .stats import Book, Crash, Track

FRAMES_A_SECOND = 5
UPPER_ROWS = 14  # the panels of the tree and the figures
FRESH = 1.2  # seconds that a crash stays red
BARS = " ▁▂▃▄▅▆▇█"


class Picture:
    """What has to be remembered between two frames: the rate, and the place of every game on the wall."""

    def __init__(self, settings: Settings, book: Book, url: str) -> None:
        self.settings = settings
        self.book = book
        self.url = url
        self.tree = Node("")
        self.rates: deque[float] = deque(maxlen=120)
        self.seen = (time.monotonic(), book.moves)
        self.places: dict[str, int] = {}

    def tick(self) -> None:
        """Take the rate since the last frame."""
        now, moves = time.monotonic(), self.book.moves
        then, moves_then = self.seen
        if now > then:
            self.rates.append((moves - moves_then) / (now - then))
        self.seen = (now, moves)

    def draw(self, width: int, height: int) -> RenderableType:
        self.find_places()
        if width < 60 or height < 22:
            return self.draw_small(width, height)
        upper = Table.grid(expand=True)
        upper.add_column(ratio=5)
        upper.add_column(ratio=4)
        upper.add_row(
            _panel(_tree_of(self.tree), "the tree", UPPER_ROWS),
            _panel(self.figures(width * 4 // 9 - 13), "counted", UPPER_ROWS),
        )
        left = height - 1 - UPPER_ROWS
        most = max(1, left - 6)  # the crashes get at least two rows
        wall, wall_rows = self.wall(width - 4, most)
        crash_rows = max(1, left - wall_rows - 4)
        return Group(
            self.header(), upper, wall, _panel(self.crashes(crash_rows), self.crash_title(), crash_rows + 2)
        )

    def draw_small(self, width: int, height: int) -> RenderableType:
        book = self.book
        figures = Text(
            f" {book.crashes:,} crashes, {book.restarts:,} restarts", no_wrap=True, overflow="ellipsis"
        )
        return Group(self.header(), figures, self.wall(width - 4, max(1, height - 5))[0])

    def header(self) -> Text:
        now, end = self.book.seconds, self.settings.seconds
        clock = f"{now:.0f} s" if end is None else f"{now:.0f} of {end:.0f} s" if now < end else "closing"
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(" regrow arcade ", "bold reverse")
        text.append("  play at ").append(self.url, f"bold link {self.url}")
        text.append(f"   {clock}   Ctrl-C closes", "dim")
        return text

    def figures(self, room: int) -> Table:
        book = self.book
        last = list(self.rates)[-FRAMES_A_SECOND:]
        rate, top = sum(last) / max(1, len(last)), max(self.rates, default=0.0)
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(justify="right", min_width=6)
        table.add_column(no_wrap=True, overflow="crop")
        for figure, what, style in (
            (book.running, "games running", "bold"),
            (book.finished, "finished", "bold"),
            (book.moves, f"moves, {rate:,.0f} a second", "bold"),
            (book.crashes, "crashes", "bold red"),
            (book.restarts, "restarts", "bold green"),
            (book.healed, "healed, played to the end", "bold cyan"),
        ):
            table.add_row(Text(f"{figure:,}", style), Text(what, style.removeprefix("bold")))
        table.add_row()
        for row in (1, 0):  # two rows of bars, the upper one first
            bars = "".join(_bar(value, top, row) for value in list(self.rates)[-max(1, room) :])
            table.add_row("", Text(bars, "blue"))
        table.add_row("", Text(f"a second, {top:,.0f} at most", "dim"))
        return table

    def find_places(self) -> None:
        """Every game keeps its place on the wall, and a new one takes the first that is free."""
        games = self.book.games
        for gone in self.places.keys() - games.keys():
            del self.places[gone]
        taken = set(self.places.values())
        free = (place for place in range(len(games) + len(taken)) if place not in taken)
        for game in games:
            if game not in self.places:
                self.places[game] = next(free)

    def wall(self, width: int, most: int) -> tuple[Panel, int]:
        """The running games, one dot each, and how many rows they take: close together if they must."""
        places = max(self.places.values(), default=0) + 1
        gap = " " if places <= width // 2 * most else ""
        per_row = width // len("●" + gap)
        rows = min(most, -(-places // per_row))
        room = per_row * rows
        dots = [("·", "dim")] * min(room, places)
        hidden = 0
        for game, place in self.places.items():
            if place < room:
                dots[place] = _dot(self.book.games[game])
            else:
                hidden += 1
        wall = Text()
        for number, (dot, style) in enumerate(dots, 1):
            wall.append(dot + (gap if number % per_row else "\n"), style)
        title = "one dot a game: [green]●[/] playing  [red]✖[/] crashed  [cyan]●[/] healed"
        return _panel(wall, title + (f"   {hidden} more" if hidden else ""), rows + 2), rows

    def crash_title(self) -> str:
        written = reports.count
        return (
            f"crashed, and back   {written:,} log records kept off the screen"
            if written
            else "crashed, and back"
        )

    def crashes(self, rows: int) -> Group:
        latest = list(self.book.crash_log)[-rows:][::-1]
        return Group(*map(_crash_line, latest)) if latest else Group(Text("nobody yet", "dim"))


def _panel(content: RenderableType, title: str, height: int) -> Panel:
    return Panel(content, title=title, title_align="left", border_style="bright_black", height=height)


def _crash_line(crash: Crash) -> Text:
    line = Text(f"{crash.game:<6}", "bold", no_wrap=True, overflow="ellipsis")
    if crash.new_pid is None:
        line.append(" being restarted".ljust(28), "not bold red")
    else:
        line.append(f" restarted as process {crash.new_pid}".ljust(28), "not bold green")
    return line.append("  " + crash.why, "not bold dim")


def _dot(track: Track) -> tuple[str, str]:
    if track.crash is not None and time.monotonic() - track.crash.at < FRESH:
        return "✖", "bold red"
    return "●", "cyan" if track.lives > 1 else "green"


def _bar(value: float, top: float, row: int) -> str:
    eighths = round(value / top * 16) if top else 0
    return BARS[max(0, min(8, eighths - 8 * row))]


def _tree_of(node: Node) -> Tree:
    label = Text(node.name, "bold" if node.supervises else "", no_wrap=True, overflow="ellipsis")
    if node.note:
        label.append(f"  {node.note}", "not bold cyan")
    tree = Tree(label, guide_style="bright_black")
    for child in node.children:
        tree.children.append(_tree_of(child))
    return tree
