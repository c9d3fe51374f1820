"""Random scenarios on regrow and on the real Elixir, where that is installed; `make oracle` plays more of them."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator

import pytest

from conformance.beam import Beam, installed
from conformance.oracle import cuts, generated, mismatches, shrink, still
from conformance.scenarios import recorded, scenarios

pytestmark = pytest.mark.skipif(
    not installed(), reason="elixir is not installed (Debian: apt-get install elixir)"
)

MANY = 60


@pytest.fixture(scope="module")
def beam() -> Iterator[Beam]:
    logging.disable(logging.CRITICAL)
    with Beam() as beam:
        yield beam
    logging.disable(logging.NOTSET)


def test_random_scenarios_agree(beam: Beam) -> None:
    start = random.randrange(10**9)
    found = next(mismatches(beam, generated(MANY, start)), None)
    if found is not None:
        scenario, told = shrink(beam, found)
        pytest.fail(f"seed {start}: {scenario['steps']}\n{told}")


def test_elixir_still_does_what_was_recorded(beam: Beam) -> None:
    every = [each for each in scenarios() if "wait" not in {step[0] for step in each["steps"]}]
    assert beam.play_all(every) == {each["id"]: recorded()[each["id"]] for each in every}


def test_a_mismatch_is_found_and_made_small(beam: Beam, monkeypatch: pytest.MonkeyPatch) -> None:
    """regrow is broken on purpose: a transient child counts as permanent."""
    import regrow.supervision.dynamic_supervisor as broken

    monkeypatch.setattr(broken, "is_clean", lambda reason: False)
    needed = [
        ["start", {"id": "S", "is": "dynamic", "max_seconds": 60}],
        ["start_child", "S", {"id": "a", "restart": "transient", "trap": True}],
        ["cast", "a", ["stop", "normal"]],
    ]
    others = [["which", "S"], ["count", "S"], ["start", {"id": "p"}], ["alive", "p"]]
    scenario = {"id": "x", "steps": [*others[2:], *needed[:2], others[0], needed[2], others[1]]}
    found = still(beam, scenario)
    assert found is not None
    small, told = shrink(beam, found)
    assert small["steps"] == [
        ["start", {"id": "S", "is": "dynamic"}],
        ["start_child", "S", {"id": "a", "restart": "transient"}],
        needed[2],
    ]
    assert "a#2 started" in told
    assert all(still(beam, each) is None for each in cuts(small))
