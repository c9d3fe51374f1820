"""Every scenario written by hand, against what the real Elixir made of it (``make record``)."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from conformance.player import play
from conformance.scenarios import HERE, TRACES, difference, recorded, scenarios
from conformance.scripted import Script

SCENARIOS = scenarios()
TRACE_OF = recorded()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    "scenario",
    [pytest.param(each, id=each["id"], marks=pytest.mark.behaviour(*each["rows"])) for each in SCENARIOS],
)
def test_regrow_does_what_elixir_did(scenario: Script) -> None:
    told = difference(scenario["steps"], TRACE_OF[scenario["id"]], play(scenario))
    assert not told, f"{scenario['about']}\n{told}"


def test_every_trace_has_its_scenario_and_says_where_it_comes_from() -> None:
    assert list(TRACE_OF) == [each["id"] for each in SCENARIOS]
    for path in TRACES.glob("*.json"):
        assert {"elixir", "otp", "traces"} == json.loads(path.read_text()).keys()


def test_a_trace_that_differs_is_told_with_its_step() -> None:
    scenario = SCENARIOS[0]
    trace = TRACE_OF[scenario["id"]]
    otherwise = [*trace[:-1], trace[-1] | {"saw": "something else"}]
    told = difference(scenario["steps"], trace, otherwise)
    assert told.startswith(f"step {len(trace)} ")
    assert 'regrow saw "something else"' in told


def test_what_is_decided_differently_is_one_list_that_says_how_it_is_handled() -> None:
    for each in json.loads((HERE / "differences.json").read_text()):
        assert each.keys() == {"name", "decided", "elixir", "regrow", "handled", "instead"}
        assert each["handled"].startswith(("normalised", "kept out")), each["name"]
        path = each["instead"].partition(",")[0]
        assert not path or (HERE.parent / path).is_file(), each["name"]
