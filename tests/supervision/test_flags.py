"""Flags are checked when they are made, and the nearest place that names one wins."""

from __future__ import annotations

import math
from typing import Any

import pytest

from regrow.kernel.errors import InvalidFlags
from regrow.supervision.flags import (
    DYNAMIC_FLAG_NAMES,
    Flags,
    merge,
    refuse_unknown,
    require_dynamic,
    require_static,
)


@pytest.mark.behaviour("DS-02", "SUP-04")
def test_without_words_it_is_one_for_one_with_three_restarts_in_five_seconds() -> None:
    assert merge() == Flags("one_for_one", 3, 5.0, math.inf, (), "never")


@pytest.mark.behaviour("DS-03", "SUP-25")
def test_raw_flags_have_erlangs_names_and_allow_one_restart_in_five_seconds() -> None:
    flags = Flags.raw(max_children=2)
    assert (flags.max_restarts, flags.max_seconds, flags.max_children) == (1, 5.0, 2)
    assert Flags.raw(intensity=7, period=1).max_restarts == 7


def test_the_last_layer_wins_and_silence_says_nothing() -> None:
    header, options, call_site = (
        {"max_restarts": 1, "max_seconds": 1},
        {"max_restarts": 2},
        {"max_restarts": 4},
    )
    flags = merge(header, options, call_site)
    assert (flags.max_restarts, flags.max_seconds) == (4, 1)


def test_none_means_no_limit_of_children() -> None:
    assert merge({"max_children": 5}, {"max_children": None}).max_children == math.inf


def test_zero_restarts_and_zero_children_are_allowed() -> None:
    flags = Flags(max_restarts=0, max_children=0)
    assert (flags.max_restarts, flags.max_children) == (0, 0)


def test_extra_arguments_are_copied_so_that_later_changes_do_not_reach_the_supervisor() -> None:
    extra = ["a"]
    flags = Flags(extra_arguments=extra)
    extra.append("b")
    assert flags.extra_arguments == ("a",)


@pytest.mark.behaviour("DS-04", "DS-05", "DS-06", "SUP-24")
@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("strategy", "one_by_one", "'one_for_one', 'one_for_all', 'rest_for_one'"),
        ("strategy", None, "one of"),
        ("strategy", [], "one of"),
        ("max_restarts", -1, "0 or more"),
        ("max_restarts", 1.5, "whole number"),
        ("max_restarts", math.inf, "whole number"),
        ("max_restarts", True, "whole number"),
        ("max_seconds", 0, "above 0"),
        ("max_seconds", -5, "above 0"),
        ("max_seconds", math.inf, "finite"),
        ("max_seconds", math.nan, "finite"),
        ("max_seconds", "5", "number of seconds"),
        ("max_children", -1, "INFINITY"),
        ("max_children", 2.5, "INFINITY"),
        ("max_children", "many", "INFINITY"),
        ("extra_arguments", "abc", "list or a tuple"),
        ("extra_arguments", None, "list or a tuple"),
        ("auto_shutdown", "sometimes", "'never', 'any_significant', 'all_significant'"),
    ],
)
def test_a_bad_flag_is_refused_with_its_value_and_what_is_allowed(
    name: str, value: Any, allowed: str
) -> None:
    with pytest.raises(InvalidFlags) as refused:
        merge({name: value})
    assert str(refused.value).startswith(f"{name}={value!r}: must be ")
    assert allowed in str(refused.value)


def test_an_unknown_flag_is_refused_with_the_list_of_flags() -> None:
    with pytest.raises(InvalidFlags, match=r"max_childs=3.*max_children"):
        merge({"max_childs": 3})
    with pytest.raises(InvalidFlags, match=r"auto_shutdown='never'.*strategy, max_restarts"):
        refuse_unknown({"auto_shutdown": "never"}, DYNAMIC_FLAG_NAMES)


@pytest.mark.behaviour("DS-04", "DS-06")
@pytest.mark.parametrize(
    "flags",
    [
        Flags(strategy="one_for_all"),
        Flags(strategy="rest_for_one"),
        Flags(auto_shutdown="any_significant"),
        Flags(auto_shutdown="all_significant"),
    ],
)
def test_a_dynamic_supervisor_is_refused_what_only_a_static_one_can_do(flags: Flags) -> None:
    assert require_static(flags) is flags
    with pytest.raises(InvalidFlags, match="DynamicSupervisor"):
        require_dynamic(flags)


@pytest.mark.parametrize("flags", [Flags(max_children=3), Flags(extra_arguments=["x"])])
def test_a_static_supervisor_is_refused_what_only_a_dynamic_one_can_do(flags: Flags) -> None:
    assert require_dynamic(flags) is flags
    with pytest.raises(InvalidFlags, match="must be"):
        require_static(flags)
