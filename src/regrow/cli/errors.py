"""What a person at the terminal did that can't be done: said in two lines, without a traceback."""

from __future__ import annotations

__all__ = ["UserError"]


class UserError(Exception):
    """*what* is wrong, and the *hint* says what to do about it."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n{self.hint}" if self.hint else self.what
