"""The north star of the design page, run as it stands."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING

from regrow import application

if TYPE_CHECKING:
    import pytest


async def test_the_north_star_runs(capsys: pytest.CaptureFixture[str]) -> None:
    north_star = runpy.run_path(str(Path(__file__).with_name("north_star.py")), run_name="north_star")
    await application.start(north_star["Arcade"])
    await north_star["player"]()
    assert capsys.readouterr().out == "Counts(specs=1, active=1, supervisors=0, workers=1)\n"
    await north_star["embedded"]()
    await application.stop(north_star["Arcade"])
