"""The article "What is DynamicSupervisor in designing Elixir systems?": a class session that names itself.

A session is started for a course and a student's email, stays findable by the two of them, and is not restarted.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from regrow import ChildSpec, DynamicSupervisor, GenServer, Registry, Supervisor, Via, call, process

# The article starts its registry as Mastery.Registry.QuizSession and looks in Mastery.Registry; one name is meant.
REGISTRY = "mastery.registry"


@dataclass(frozen=True)
class Course:
    title: str


class ClassSession(GenServer):
    def __init__(self, course: Course, email: str) -> None:
        self.course = course
        self.email = email

    # The checkers are right that other servers' specs take other arguments, and nobody asks a GenServer for one
    # without knowing which server it is.
    @classmethod
    def child_spec(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, course: Course, email: str
    ) -> ChildSpec[ClassSession]:
        """The spec of one session: an id of its own, and no restart."""
        return ChildSpec(
            id=(cls, (course.title, email)),
            start=cls,
            args=(course, email),
            restart="temporary",
        )

    @classmethod
    def name_for(cls, course: Course, email: str) -> Via:
        """The arguments give the name: the listing's ``start_link`` does it by ``name: via({course.title, email})``."""
        return via(course.title, email)

    @call
    def who(self) -> str:
        return f"{self.email} in {self.course.title}"


def via(title: str, email: str) -> Via:
    """The name of a session.

    The listing is ``{:via, Registry, {Mastery.Registry, ClassSession, name}}``. As printed it makes ``ClassSession``
    the key, one for all sessions, and the name its value, so the second session fails as already started. Meant is a
    key for each session.
    """
    return Registry.named(REGISTRY).via((ClassSession, (title, email)))


async def main() -> None:
    await Supervisor.start_link(
        [
            Registry.child_spec(REGISTRY, keys="unique"),
            DynamicSupervisor.options(name="mastery.sessions").child_spec(),
        ]
    )
    sessions = DynamicSupervisor.named("mastery.sessions")
    elixir = Course("Elixir")

    first = await sessions.start_child((ClassSession, elixir, "jose@example.org"))
    await sessions.start_child((ClassSession, elixir, "joe@example.org"))
    print(await ClassSession.named(via("Elixir", "joe@example.org")).who())
    print(await sessions.count_children())

    await sessions.terminate_child(first)
    print(process.whereis(via("Elixir", "jose@example.org")))
    print(await sessions.count_children())


if __name__ == "__main__":
    asyncio.run(main())
