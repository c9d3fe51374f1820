from regrow import (
    Application, DynamicSupervisor, GenServer, Registry, StartType, Supervisor, call, cast, run, within,
)


class Cheater(Exception): ...


class Game(GenServer, restart="transient", shutdown=2.0):
    """One process a game. A crash loses this game's state and nobody else's."""

    def __init__(self, game_id: str, board: int = 3) -> None:   # runs inside the new process
        self.game_id = game_id
        self.cells: list[str] = [""] * board**2

    @call(raises=Cheater)                  # declared: goes to the caller, the server lives on
    def play(self, cell: int, mark: str) -> list[str]:
        if self.cells[cell]:
            raise Cheater(f"cell {cell} is taken")
        self.cells[cell] = mark            # an IndexError here is a crash: the supervisor restarts the game
        return list(self.cells)

    @cast
    def clear(self) -> None:
        self.cells = [""] * len(self.cells)


class Games(DynamicSupervisor, max_children=100_000): ...


class Arcade(Application):
    async def start(self, start_type: StartType, args: list[str]) -> Supervisor:
        return await Supervisor.start_link([
            Registry.child_spec("games.by_id", keys="unique"),
            Games.options(name=Games).child_spec(),
        ], strategy="one_for_all")


async def player() -> None:
    by_id = Registry.named("games.by_id")
    games = Games.named(Games)
    game = await games.start_child(Game.options(name=by_id.via("g1")).child_spec("g1"))
    await game.play(4, "x")                      # typed: list[str]; the checkers check the arguments
    await within(game, 0.5).play(0, "o")         # the same call with its own time-out
    game.clear()                                 # a cast: returns at once
    print(await games.count_children())          # Counts(specs=1, active=1, supervisors=0, workers=1)


# inside an asyncio program that somebody else owns (FastAPI, a notebook, a test):
async def embedded() -> None:
    async with DynamicSupervisor.scope(max_children=1000) as games:   # leaving the block shuts the tree down
        game = await games.start_child(Game.child_spec("g2"))         # its crashes are the supervisor's business;
        await game.play(0, "o")                                       # only the supervisor giving up ends the block

if __name__ == "__main__":
    run(Arcade)                            # signals, ordered shutdown, exit code
