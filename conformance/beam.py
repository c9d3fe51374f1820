"""The real Elixir, as a process at the other end of a pipe that plays scenarios."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from conformance.player import Trace
from conformance.scripted import Script

__all__ = ["Beam", "installed"]

PROGRAM: Final = Path(__file__).parent / "elixir" / "play.exs"
AT_A_TIME: Final = 8


def installed() -> bool:
    return shutil.which("elixir") is not None


class Beam:
    """``with Beam() as beam: beam.play(scenario)``. ``versions`` says which Elixir and OTP it is."""

    def __enter__(self) -> Self:
        # One scheduler: what a process does when it ends is one step then.
        self._process = subprocess.Popen(
            ["elixir", "--erl", "+S 1:1", str(PROGRAM), str(AT_A_TIME)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.versions: dict[str, str] = self._read()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        if kind is not None:
            self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def play(self, scenario: Script) -> Trace:
        """The trace of one scenario."""
        return self.play_all([scenario])[scenario["id"]]

    def play_all(self, scenarios: Iterable[Script]) -> dict[str, Trace]:
        """The traces of many by their ids, which must differ; several are played at a time."""
        assert self._process.stdin is not None
        traces: dict[str, Trace] = {}
        waiting = 0
        for each in scenarios:
            self._process.stdin.write(json.dumps(each) + "\n")
            waiting += 1
            if waiting > AT_A_TIME:  # neither pipe ever fills up
                self._process.stdin.flush()
                self._take(traces)
                waiting -= 1
        self._process.stdin.flush()
        for _ in range(waiting):
            self._take(traces)
        return traces

    def _take(self, traces: dict[str, Trace]) -> None:
        line = self._read()
        traces[line["id"]] = line["trace"]

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{PROGRAM} ended, with exit code {self._process.wait()}")
        read: dict[str, Any] = json.loads(line)
        return read
