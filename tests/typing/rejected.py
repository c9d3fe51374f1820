"""What both type checkers must refuse: the lines that say so, and no others. Read by test_typing, never run."""

from __future__ import annotations

from regrow import (
    Application,
    DynamicSupervisor,
    Flags,
    GenServer,
    Registry,
    StartType,
    Supervisor,
    call,
    cast,
    run,
    spec,
    within,
)


class Cheater(Exception): ...


class Game(GenServer, restart="transient", shutdown=2.0):
    def __init__(self, game_id: str, board: int = 3) -> None:
        self.cells = [""] * board**2

    @call(raises=Cheater)
    def play(self, cell: int, mark: str) -> list[str]:
        return list(self.cells)

    @cast
    def clear(self) -> None: ...

    @call
    async def forgets_to_await(self) -> list[str]:
        self.play(4, "x")  # E: on self, too, a call is awaited
        return self.play(4, "x")  # E: the answer is not the coroutine

    @call
    def plain(self) -> list[str]:
        return self.play(4, "x")  # E: a plain handler writes Game.play(self, 4, "x")


class Sometimes(GenServer, restart="sometimes"): ...  # E: no such restart


class Softly(GenServer, shutdown="softly"): ...  # E: seconds, or brutal_kill


class Misspelt(GenServer, restrat="transient"): ...  # E: no such keyword


class Quieter(Game):
    @call
    def play(self, cell: int) -> list[str]:  # E: an override takes what the original takes
        return []


async def calls(game: Game) -> None:
    await game.play("4", "x")  # E: cell is an int
    await game.play(4)  # E: mark is missing
    await game.play(4, "x", "y")  # E: too many
    await game.play(4, mrak="x")  # E: no such argument
    await within(game, 0.5).play(4, 5)  # E: mark is a str
    within(game, "soon")  # E: seconds are a number
    game.play(4, "x")  # E: the answer is not awaited
    await game.clear()  # E: a cast has no answer
    game.clear("all")  # E: clear takes nothing
    board: str = await game.play(4, "x")  # E: the answer is a list
    del board


class Decorated(GenServer):
    @call(raises="Cheater")  # E: an exception class
    def first(self) -> None: ...

    @call(timeout="soon")  # E: seconds are a number
    def second(self) -> None: ...

    @cast  # E: what a cast returned nobody would get
    def third(self) -> int:
        return 3

    @call
    async def fourth(self) -> int:
        return "four"  # E: as in any function


async def starts() -> None:
    await Game.start_link()  # E: game_id is missing
    await Game.start_link(1)  # E: game_id is a str
    await Game.start("g1", board="big")  # E: board is an int
    Game.child_spec("g1", size=3)  # E: no such argument
    Game.scope(3)  # E: game_id is a str
    Game.options(name="g1").child_spec()  # E: game_id is missing
    await Game.options(name="g1").start_link(1)  # E: game_id is a str
    Game.options(nmae="g1")  # E: no such option
    Game.options(restart="sometimes")  # E: no such restart
    Game.named()  # E: the name is missing
    spec(Game)  # E: game_id is missing
    spec(Game, "g1").replace(restart="sometimes")  # E: no such restart
    spec(Game, "g1").replace(strat="permanent")  # E: no such key


class Big(DynamicSupervisor, max_children="big"): ...  # E: a number


class All(DynamicSupervisor, strategy="one_for_all"): ...  # E: only one_for_one


class Some(Supervisor, strategy="one_for_some"): ...  # E: no such strategy


class Rooms(DynamicSupervisor, max_children=3): ...


class Tenant(DynamicSupervisor):
    def init(self, limit: int) -> Flags:
        return self.flags(max_childrn=limit)  # E: no such flag


class Nothing(Supervisor):
    def init(self, path: str) -> None:
        self.plan([], strategy="one_for_some")  # E: no such strategy


async def supervisors(games: DynamicSupervisor) -> None:
    game: str = await games.start_child(Game.child_spec("g1"))  # E: it gives a Game
    await games.start_child(Game)  # E: game_id is missing
    await games.start_child("Game")  # E: no form of a child
    await games.terminate_child("g1")  # E: a handle or a pid
    await games.play(4, "x")  # E: it is a supervisor
    await DynamicSupervisor.start_link(max_childrn=3)  # E: no such flag
    await DynamicSupervisor.start_link([Game])  # E: it starts with no children
    DynamicSupervisor.scope(max_children="many")  # E: a number
    await Rooms.start_link(3)  # E: it has no init to take that
    await Tenant.start_link()  # E: limit is missing
    await Tenant.start_link("3")  # E: limit is an int
    Tenant.child_spec(max_children=3)  # E: init takes a limit
    Tenant.options(name="t").child_spec()  # E: limit is missing
    Rooms.options(name="r").child_spec(max_children="3")  # E: a number
    await Supervisor.start_link([Rooms], strategy="one_for_some")  # E: no such strategy
    await Supervisor.start_link("Rooms")  # E: a string is no list of children
    await Supervisor.start_link([3], strategy="one_for_one")  # E: 3 is no child
    await Supervisor.start_link(strategy="one_for_one")  # E: no children
    Registry.child_spec("games")  # E: keys are missing
    Registry.child_spec("games", keys="single")  # E: no such kind
    del game


class Arcade(Application):
    async def start(self, start_type: StartType, args: list[str]) -> int:  # E: the root is a handle or a pid
        return 3


def programs() -> None:
    run(Game)  # E: it is no application
    run(Arcade, type="sometimes")  # E: no such type
