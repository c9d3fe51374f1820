"""The restart window is exact, inclusive at its end, and never remembers more than it needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.supervision.intensity import RestartIntensity


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.behaviour("DS-34")
def test_three_restarts_are_survived_and_the_fourth_is_too_many() -> None:
    intensity = RestartIntensity(3, 5.0, Clock())
    assert [intensity.admit() for _ in range(5)] == [True, True, True, False, False]


def test_zero_restarts_means_that_the_first_one_is_too_many() -> None:
    assert not RestartIntensity(0, 5.0, Clock()).admit()


def test_a_restart_exactly_max_seconds_ago_still_counts_and_a_later_one_does_not() -> None:
    clock = Clock()
    intensity = RestartIntensity(1, 5.0, clock)
    assert intensity.admit()
    clock.now += 5.0
    assert not intensity.admit()
    clock.now += 0.001
    assert intensity.admit()


@pytest.mark.behaviour("SUP-52")
def test_restarts_slower_than_the_window_never_stop_the_supervisor() -> None:
    clock = Clock()
    intensity = RestartIntensity(1, 1.0, clock)
    for _ in range(1000):
        assert intensity.admit()
        clock.now += 2.1


def test_new_limits_keep_the_newest_restarts() -> None:
    clock = Clock()
    intensity = RestartIntensity(3, 5.0, clock)
    for _ in range(3):
        intensity.admit()
        clock.now += 1
    intensity.change(1, 5.0)
    assert len(intensity) == 1
    clock.now += 4.0
    assert not intensity.admit()
    clock.now += 0.1
    assert intensity.admit()


@given(
    st.integers(0, 5),
    st.floats(0.1, 10),
    st.lists(st.floats(0, 6), max_size=40),
)
def test_it_agrees_with_the_definition(max_restarts: int, max_seconds: float, gaps: list[float]) -> None:
    clock = Clock()
    intensity = RestartIntensity(max_restarts, max_seconds, clock)
    admitted: list[float] = []
    for gap in gaps:
        clock.now += gap
        recent = [at for at in admitted if clock.now - at <= max_seconds]
        expected = len(recent) < max_restarts
        assert intensity.admit() == expected
        if expected:
            admitted.append(clock.now)
        assert len(intensity) <= max_restarts
