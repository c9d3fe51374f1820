"""``Observer``: the recording as a supervised child, with the web page beside it if a port is given.

Observer.child_spec(port=4000)                      # under your supervisor: http://127.0.0.1:4000
app.mount("/observer", Observer.asgi())             # in an ASGI application, beside Observer.child_spec()
extra_applications = ["observer"]                   # as an application: [tool.regrow.env.observer] configures it
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict, Unpack

from regrow.application.definition import Application, StartType
from regrow.application.environment import get_all_env
from regrow.application.errors import ConfigError
from regrow.kernel import signals
from regrow.kernel.runtime import runtime
from regrow.observer.recording import Settings, recording_of
from regrow.servers.child_spec import ChildSpec
from regrow.servers.gen_server import GenServer
from regrow.supervision.supervisor import Supervisor

if TYPE_CHECKING:
    from regrow.observer.web import WebOptions

__all__ = ["Observer", "ObserverApplication", "ObserverKeywords", "Recorder"]


class ObserverKeywords(TypedDict, total=False):
    """What ``Observer.child_spec`` takes: the fields of ``Settings``, and with a port those of the web page."""

    interval: float
    samples: int
    crashes: int
    restarts: int
    max_subscriptions: int
    port: int | None
    host: str
    token: str | None
    allowed_hosts: Sequence[str]
    actions: bool
    show_state: bool
    max_clients: int


RECORDING = ("interval", "samples", "crashes", "restarts", "max_subscriptions")


class Recorder(GenServer):
    """The process that holds the recording. When it ends, however that comes, the recording lets go of everything."""

    __slots__ = ()

    def __init__(self, settings: Settings) -> None:
        me = runtime().current
        assert me is not None
        recording = recording_of(me.runtime)
        recording.acquire(settings)
        signals.watch(me, lambda _process, _reason: recording.release())


class Observer(Supervisor, strategy="rest_for_one"):
    """Records what the charts, the crash list and the process table show. One is enough for a program.

    ``Observer.child_spec(...)`` puts it under a supervisor; there is at most one on an event loop, under the name
    ``Observer``. Of what it records, see ``Settings``: ``interval``, ``samples``, ``crashes``, ``restarts``,
    ``max_subscriptions``. With a ``port`` it has the web page as a child too, which needs ``regrow[web]``; then
    ``host``, ``token``, ``allowed_hosts``, ``actions``, ``show_state`` and ``max_clients`` say how. A value that can't
    work raises ``ValueError`` or ``TypeError`` at once.

    >>> import asyncio
    >>> from regrow import Supervisor
    >>> from regrow.observer import Observer, snapshot
    >>> async def main():
    ...     async with Supervisor.scope([Observer.child_spec(interval=0.5)]):
    ...         overview = await snapshot().overview()
    ...         return overview.processes, len(overview.series.samples)
    >>> asyncio.run(main())
    (4, 1)
    """

    name_for: ClassVar[Any] = staticmethod(lambda *args: Observer)

    def init(self, settings: Settings | None = None, web: WebOptions | None = None) -> list[ChildSpec[Any]]:
        children: list[ChildSpec[Any]] = [Recorder.child_spec(settings or Settings())]
        if web is not None:
            from regrow.observer.web import child_spec

            children.append(child_spec(web))
        return children

    @classmethod
    def child_spec(cls, **keywords: Unpack[ObserverKeywords]) -> ChildSpec[Observer]:  # type: ignore[override]  # it takes keywords for init's two values, to refuse them here
        """How a supervisor starts it."""
        return cls.options().child_spec(*_told(dict(keywords)))

    @staticmethod
    def asgi(**keywords: Any) -> Any:
        """The web page as an ASGI application, to be mounted in another one. It takes the keywords of the web page.

        Without a ``token`` it answers this machine only; ``open_to_all=True`` says that the application around looks
        who may come. It shows the program whose event loop serves it, and needs an observer there for charts and
        history.
        """
        from regrow.observer.web import asgi

        return asgi(**keywords)


def _told(keywords: dict[str, Any]) -> tuple[Settings, WebOptions | None]:
    """Keywords as the two values that they are for."""
    settings = Settings(**{name: keywords.pop(name) for name in RECORDING if name in keywords})
    for name in keywords:
        if name not in ObserverKeywords.__annotations__:
            known = ", ".join(ObserverKeywords.__annotations__)
            raise TypeError(f"Observer.child_spec({name}=...): there is no such option; there are {known}")
    if keywords.get("port") is None:
        keywords.pop("port", None)
        for name, value in keywords.items():
            shown = "..." if name == "token" else repr(value)
            raise ValueError(f"{name}={shown} is about the web page, which needs a port: port=4000")
        return settings, None
    from regrow.observer.web import WebOptions

    return settings, WebOptions(**keywords)


class ObserverApplication(Application):
    """The observer, with its web page."""

    name = "observer"
    env = {"port": 4000, "web": True}  # noqa: RUF012  # ClassVar in the base

    async def start(self, start_type: StartType, args: list[str]) -> Supervisor:
        keywords = get_all_env(ObserverApplication)
        if not keywords.pop("web"):
            keywords.pop("port")
        try:
            spec = Observer.child_spec(**keywords)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"[tool.regrow.env.observer] {error}") from error
        return await Supervisor.start_link([spec])
