"""How a server ends: stop, stopping with a reply, terminate, and the one report of a crash."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from regrow import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    CallingSelf,
    CallTimeout,
    Down,
    GenServer,
    Global,
    LinkedExit,
    NoProcess,
    NotAllowed,
    Reply,
    ServerExited,
    Shutdown,
    Stop,
    call,
    cast,
    process,
    stop,
)
from tests.waiting import turns


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.ERROR, logger="regrow")
    return caplog


class Server(GenServer):
    def __init__(self, log: list[Any] | None = None, ending: Any = None) -> None:
        self.log: list[Any] = [] if log is None else log
        self.ending = ending

    def terminate(self, reason: object) -> None:
        self.log.append(("terminate", reason))
        if isinstance(self.ending, BaseException):
            raise self.ending

    @call
    def read(self) -> list[Any]:
        return list(self.log)

    @call
    def last_words(self, reason: Any) -> str:
        return self.stopping("bye", reason)

    @call
    async def last_words_later(self, reason: Any) -> str:
        await asyncio.sleep(0)
        return self.stopping("bye", reason)

    @call
    def divide(self, by: int, *, secret: str = "") -> float:
        return 1 / by

    @call
    async def stop_myself(self) -> None:
        await stop(process.current())

    @cast
    def note(self, entry: Any) -> None:
        self.log.append(entry)

    @cast
    def end(self, reason: Any) -> None:
        raise Stop(reason)


async def reason_of(target: Any) -> object:
    ref = process.monitor(target)
    return (await process.receive(lambda each: isinstance(each, Down) and each.ref == ref, timeout=60)).reason


# --- stop ----------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-13", "GS-39", "GS-44")
@pytest.mark.parametrize("name", [None, "text", Server, Global("g")], ids=repr)
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Shutdown(1), "boom"], ids=repr)
async def test_stop_runs_terminate_and_waits_until_the_server_is_gone(name: Any, reason: Any) -> None:
    log: list[Any] = []
    server = await Server.options(name=name).start(log)
    server.note("before")
    await stop(server if name is None else name, reason)
    assert log == ["before", ("terminate", reason)]
    assert not process.alive(server)
    with pytest.raises(NoProcess):
        await stop(server)


@pytest.mark.behaviour("GS-13")
@pytest.mark.parametrize("nobody", ["no such name", ("no", 1)], ids=repr)
async def test_stop_of_nobody_says_so(nobody: Any) -> None:
    with pytest.raises(NoProcess, match="stop was not delivered"):
        await stop(nobody)


@pytest.mark.behaviour("GS-13")
async def test_a_server_cannot_wait_for_its_own_end() -> None:
    server = await Server.start()
    with pytest.raises(ServerExited) as caught:
        await server.stop_myself()
    assert isinstance(caught.value.reason, CallingSelf)


@pytest.mark.behaviour("GS-41")
@pytest.mark.parametrize("timeout", [-1, "5", True], ids=repr)
async def test_a_wrong_time_out_of_stop_is_refused_and_the_server_lives(timeout: Any) -> None:
    server = await Server.start()
    with pytest.raises(ValueError, match="must be seconds"):
        await stop(server, timeout=timeout)
    assert process.alive(server)


@pytest.mark.behaviour("GS-42", "GS-43")
@pytest.mark.parametrize(
    ("ending", "reason"), [(Stop("changed"), "changed"), (ValueError("x"), ValueError)], ids=["exit", "crash"]
)
async def test_stop_raises_if_the_server_ended_for_another_reason(ending: BaseException, reason: Any) -> None:
    server = await Server.start(ending=ending)
    with pytest.raises(ServerExited) as caught:
        await stop(server)
    assert caught.value.reason == reason or isinstance(caught.value.reason, reason)


async def test_stop_of_what_is_no_server_is_refused() -> None:
    async def idle() -> None:
        await asyncio.Event().wait()

    with pytest.raises(NotAllowed, match="is no server"):
        await stop(process.spawn(idle))


@pytest.mark.behaviour("GS-14")
async def test_stopping_a_linked_server_abnormally_ends_who_asked_for_it() -> None:
    async def client() -> None:
        await stop(await Server.start_link(), "boom")

    [outcome] = await asyncio.gather(asyncio.create_task(client()), return_exceptions=True)
    assert isinstance(outcome, LinkedExit)
    assert outcome.reason == "boom"


@pytest.mark.behaviour("GS-40")
async def test_stop_with_a_time_out_of_nothing_fails_and_the_server_stops_all_the_same() -> None:
    server = await Server.start()
    ref = process.monitor(server)
    with pytest.raises(CallTimeout):
        await stop(server, timeout=0)
    assert (await process.receive(Down)).ref == ref


@pytest.mark.behaviour("GS-50")
async def test_a_server_without_terminate_ends_as_it_was_asked() -> None:
    class Plain(GenServer):
        pass

    server = await Plain.start()
    ref = process.monitor(server)
    await stop(server, SHUTDOWN)
    assert await process.receive() == Down(ref, (await_pid := process_pid(server)), SHUTDOWN)
    assert await_pid > 0


def process_pid(server: GenServer) -> int:
    return int(repr(server).split()[-1].rstrip(">"))


# --- stopping with a reply -----------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-27")
@pytest.mark.parametrize("way", ["last_words", "last_words_later"])
@pytest.mark.parametrize("ending", [None, ValueError("in terminate")], ids=repr)
async def test_the_reply_of_stopping_comes_after_terminate_whatever_that_did(way: str, ending: Any) -> None:
    log: list[Any] = []
    server = await Server.start(log, ending)
    ref = process.monitor(server)
    server.note("before")
    assert await getattr(server, way)("done") == "bye"
    assert log == ["before", ("terminate", "done")]
    down = await process.receive(Down)
    assert down.ref == ref
    assert down.reason is ending if ending is not None else down.reason == "done"


async def test_messages_behind_a_stop_are_never_handled() -> None:
    log: list[Any] = []
    server = await Server.start(log)
    server.end(NORMAL)
    server.note("too late")
    with pytest.raises(ServerExited):
        await server.read()
    assert log == [("terminate", NORMAL)]


# --- terminate -----------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-44")
@pytest.mark.behaviour("GS-45", differs=True)
async def test_terminate_runs_for_a_crash_and_for_a_signal_and_never_for_kill() -> None:
    logs: dict[str, list[Any]] = {"crash": [], "signal": [], "kill": []}
    crash, signal, kill = [await Server.start(log) for log in logs.values()]
    with pytest.raises(ServerExited):
        await crash.divide(0)
    for server, reason in ((signal, "boom"), (kill, KILL)):
        process.monitor(server)
        process.exit(server, reason)
        await process.receive(Down)
    [(_, error)] = logs["crash"]
    assert isinstance(error, ZeroDivisionError)
    assert logs["signal"] == [("terminate", "boom")]
    assert logs["kill"] == []


async def test_terminate_may_wait_and_the_name_stays_until_it_is_done() -> None:
    gate = asyncio.Event()

    class Slow(GenServer):
        async def terminate(self, reason: object) -> None:
            await gate.wait()

    server = await Slow.options(name="slow").start()
    pid = process.pid_of(server)
    process.monitor(server)
    process.exit(server, "boom")
    await turns()
    assert process.whereis("slow") == pid
    info = process.info("slow")
    assert info is not None
    assert info.status == "terminating"
    gate.set()
    await process.receive(Down)
    assert process.whereis("slow") is None


# --- the report ----------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("GS-57", "GS-60")
async def test_a_crash_is_reported_once_in_full(logged: pytest.LogCaptureFixture) -> None:
    server = await Server.options(name="calculator").start(["some", "state"])
    pid = process.pid_of(server)
    with pytest.raises(ServerExited):
        await server.divide(0, secret="s")
    [record] = logged.records
    fields = record.regrow  # type: ignore[attr-defined]
    assert fields["event"] == "crash"
    assert fields["pid"] == pid
    assert fields["name"] == "'calculator'"
    assert fields["kind"] == "Server"
    assert fields["message"] == "divide(0, secret='s')"
    assert "'some'" in fields["state"]
    assert fields["reason"] == "ZeroDivisionError('division by zero')"
    assert fields["ancestors"] == [str(process.current())]
    assert fields["client"] == process.current()
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
    text = record.getMessage()
    for part in ("calculator", "divide(0", "'some'"):
        assert part in text


async def test_the_report_has_the_traceback_and_the_reason_that_is_kept_has_no_frames(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rendered: list[str] = []

    class Formats(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            rendered.append(logging.Formatter().format(record))

    handler = Formats()
    logging.getLogger("regrow").addHandler(handler)
    try:
        server = await Server.start()
        with pytest.raises(ServerExited) as caught:
            await server.divide(0)
    finally:
        logging.getLogger("regrow").removeHandler(handler)
    assert "return 1 / by" in rendered[0]
    reason = caught.value.reason
    assert isinstance(reason, ZeroDivisionError)
    assert reason.__traceback__ is None
    assert "in divide" in str(caught.value)


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Shutdown("x")], ids=repr)
async def test_a_clean_end_is_not_reported(reason: Any, logged: pytest.LogCaptureFixture) -> None:
    server = await Server.start()
    process.monitor(server)
    server.end(reason)
    await process.receive(Down)
    assert logged.records == []


async def test_a_signal_is_not_a_crash_of_its_victim(logged: pytest.LogCaptureFixture) -> None:
    server = await Server.start()
    process.monitor(server)
    process.exit(server, "boom")
    await process.receive(Down)
    assert logged.records == []


@pytest.mark.behaviour("GS-56", "GS-58")
@pytest.mark.parametrize("how", ["hides", "fails"])
async def test_format_status_says_what_a_report_shows_and_its_failure_harms_nobody(
    how: str, logged: pytest.LogCaptureFixture
) -> None:
    class Secret(Server):
        def format_status(self, status: Any) -> Any:
            if how == "fails":
                raise RuntimeError("no")
            return {**status, "state": "hidden"}

    server = await Secret.start(["password"])
    with pytest.raises(ServerExited):
        await server.divide(0)
    [record] = logged.records
    assert "password" not in record.getMessage()
    state = record.regrow["state"]  # type: ignore[attr-defined]
    assert state.strip("'") == ("hidden" if how == "hides" else "<format_status raised RuntimeError>")


async def test_a_report_is_bounded_whatever_message_and_state_are(logged: pytest.LogCaptureFixture) -> None:
    class Bad:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    server = await Server.start([Bad(), "x" * 10**6, list(range(10**5))])
    with pytest.raises(ServerExited):
        await server.divide("y" * 10**6)  # type: ignore[arg-type]
    [record] = logged.records
    assert len(record.getMessage()) < 5000


@pytest.mark.behaviour("GS-52")
async def test_a_missing_function_in_a_handler_is_a_crash(logged: pytest.LogCaptureFixture) -> None:
    class Undefined(GenServer):
        def handle_info(self, message: Any) -> None:
            undefined_function(message)  # type: ignore[name-defined]  # noqa: F821

    server = await Undefined.start()
    process.monitor(server)
    process.send(server, "x")
    assert isinstance((await process.receive(Down)).reason, NameError)
    assert len(logged.records) == 1


async def test_who_waits_for_a_reply_that_the_dead_server_kept_hears_of_the_death() -> None:
    class Keeping(GenServer):
        @call
        def later(self) -> Reply[str]:
            self.kept = Reply[str]()  # nobody else knows of it
            return self.kept

    for reason in (KILL, "boom"):
        server = await Keeping.start()
        asking = asyncio.create_task(server.later())
        await turns(3)
        process.exit(process.pid_of(server), reason)
        with pytest.raises(ServerExited) as caught:
            await asking
        assert caught.value.reason == (KILLED if reason is KILL else reason)
