"""Whole numbers in addresses: they end somewhere, since Python reads none of more than some thousand digits.

No pid, and nothing else that is counted here, has more than eighteen digits.
"""

from __future__ import annotations

from typing import Final

from starlette.convertors import IntegerConvertor, register_url_convertor

__all__ = ["MOST_DIGITS", "NUMBER"]

MOST_DIGITS: Final = 18
NUMBER: Final = "regrow_number"
"""In a path ``{pid:regrow_number}`` is such a number; a longer one is no address of ours."""


class _Number(IntegerConvertor):
    regex = f"[0-9]{{1,{MOST_DIGITS}}}"


register_url_convertor(NUMBER, _Number())
