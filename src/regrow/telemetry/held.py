"""What is on only while somebody holds it: by ``with``, or by ``acquire`` and ``release``."""

from __future__ import annotations

from types import TracebackType
from typing import Self

__all__ = ["Held"]


class Held:
    """Counts its holders. A subclass says what the first one switches on, and the last one off."""

    _holders = 0

    def _switch_on(self) -> None:
        raise NotImplementedError

    def _switch_off(self) -> None:
        raise NotImplementedError

    @property
    def on(self) -> bool:
        """Whether somebody holds it."""
        return self._holders > 0

    def acquire(self) -> Self:
        """Switch it on, or keep it on: one ``release`` is owed for each."""
        self._holders += 1
        if self._holders == 1:
            self._switch_on()
        return self

    def release(self) -> None:
        """Hold it no more; with the last holder it costs nothing and forgets. RuntimeError if nobody holds it."""
        if self._holders == 0:
            raise RuntimeError(f"{self!r} is not held: each release belongs to one acquire, or to a `with`")
        self._holders -= 1
        if self._holders == 0:
            self._switch_off()

    def __enter__(self) -> Self:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
