"""The rules of a ``Registry``, small enough to be read in one go."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple, Self

from regrow.testing.models.children import GONE
from regrow.testing.models.explaining import Event, Step

__all__ = ["NOTHING", "Entry", "Member", "RegistryModel"]

NOTHING: Final = "Nothing"
"""What ``meta`` gives for a key under which nothing is stored."""


@dataclass(frozen=True, slots=True)
class Member:
    """A process that registers itself. It is told to end, ends by itself later, and is cleaned up after still later."""

    state: Literal["alive", "ending", "dead"] = "alive"
    name: int | None = None
    """The key that it was started under."""


class Entry(NamedTuple):
    """*member* has *key*, which is the number of a key: 1, 1.0 and True are three."""

    key: int
    member: str
    value: int


class RegistryModel:
    """The entries in the order of their registration, and the members. Calls are made by a member, as it says."""

    def __init__(self, unique: bool) -> None:
        self.unique = unique
        self.members: dict[str, Member] = {}
        self.entries: tuple[Entry, ...] = ()
        self.stored: dict[int, int] = {}
        self.log: list[Event] = []

    def copy(self) -> Self:
        other = copy.copy(self)
        other.members, other.stored, other.log = dict(self.members), dict(self.stored), []
        return other

    def key(self) -> Hashable:
        return tuple(self.members.items()), self.entries, tuple(self.stored.items())

    def set_time(self, earliest: float, latest: float) -> None:
        """A registry knows no time."""

    def ready_for(self, step: Step) -> bool:
        return step[0] != "see_end" or not self._acts(step[1])

    # --- members ------------------------------------------------------------------------------------------------------

    def join(self, member: str) -> None:
        self.members[member] = Member()

    def join_as(self, member: str, key: int, value: int) -> object:
        """A server is started under that key as its name: it has it from its start on."""
        if (taken := self._owner(key)) is not None:
            return "AlreadyStarted", taken
        self.members[member] = Member(name=key)
        self._enter(Entry(key, member, value))
        return None

    def end(self, member: str) -> None:
        if member in self.members and self.members[member].state == "alive":
            self.members[member] = replace(self.members[member], state="ending")

    def see_end(self, member: str) -> None:
        """Somebody is told that the member has ended."""

    def moves(self) -> Iterator[Step]:
        for each, member in self.members.items():
            if member.state == "ending":
                yield "die", each
            elif member.state == "dead":
                yield "clean_up", each

    def die(self, member: str) -> None:
        """A name is free before anybody hears of an end; what the member registered itself goes later."""
        name = self.members[member].name
        self.entries = tuple(each for each in self.entries if (each.key, each.member) != (name, member))
        self.members[member] = replace(self.members[member], state="dead")

    def clean_up(self, member: str) -> None:
        """The registry hears of an end. Listeners are not told."""
        self.entries = tuple(each for each in self.entries if each.member != member)
        del self.members[member]

    def _acts(self, member: str) -> bool:
        return member in self.members and self.members[member].state != "dead"

    # --- registering --------------------------------------------------------------------------------------------------

    def register(self, member: str, key: int, value: int) -> object:
        """A unique key belongs to one living process; that of a dead one can be had, cleaned up after or not."""
        if not self._acts(member):
            return GONE
        if self.unique and (taken := self._owner(key)) is not None:
            return "AlreadyRegistered", taken
        self._enter(Entry(key, member, value))
        return None

    def _enter(self, new: Entry) -> None:
        if self.unique:
            self.entries = tuple(each for each in self.entries if each.key != new.key)
        self.entries = (*self.entries, new)
        self.log.append(("registered", *new))

    def _owner(self, key: int) -> str | None:
        return next(
            (each.member for each in self.entries if each.key == key and self._acts(each.member)), None
        )

    def unregister(self, member: str, key: int, _value: int) -> object:
        """Take out all that *member* has under *key*; listeners are told if that was anything."""
        return self._take_out(member, key, {each.value for each in self.entries})

    def unregister_match(self, member: str, key: int, value: int) -> object:
        return self._take_out(member, key, {value})

    def _take_out(self, member: str, key: int, values: set[int]) -> object:
        if not self._acts(member):
            return GONE
        taken = [
            each for each in self.entries if (each.key, each.member) == (key, member) and each.value in values
        ]
        self.entries = tuple(each for each in self.entries if each not in taken)
        if taken:
            self.log.append(("unregistered", key, member))
        return None

    def update_value(self, member: str, key: int, by: int) -> object:
        if not self._acts(member):
            return GONE
        if not self.unique:
            return "ValueError"
        for place, entry in enumerate(self.entries):
            if (entry.key, entry.member) == (key, member):
                new = entry._replace(value=entry.value + by)
                self.entries = (*self.entries[:place], new, *self.entries[place + 1 :])
                return new.value, entry.value
        return "NotRegistered"

    # --- reading ------------------------------------------------------------------------------------------------------

    def lookup(self, member: str, key: int, _value: int) -> object:
        if not self._acts(member):
            return GONE
        return sorted((each.member, each.value) for each in self.entries if each.key == key)

    def values(self, member: str, key: int, _value: int) -> object:
        """One's own, in the order in which they came."""
        if not self._acts(member):
            return GONE
        return [each.value for each in self.entries if (each.key, each.member) == (key, member)]

    def keys(self, member: str, _key: int, _value: int) -> object:
        if not self._acts(member):
            return GONE
        return sorted(each.key for each in self.entries if each.member == member)

    def count(self, member: str, _key: int, _value: int) -> object:
        return len(self.entries) if self._acts(member) else GONE

    def whereis(self, member: str, key: int, _value: int) -> object:
        """Only the living are found by name."""
        if not self._acts(member):
            return GONE
        return self._owner(key) if self.unique else "ValueError"

    # --- what is stored beside the entries ----------------------------------------------------------------------------

    def put_meta(self, member: str, key: int, value: int) -> object:
        if not self._acts(member):
            return GONE
        self.stored[key] = value
        return None

    def meta(self, member: str, key: int, _value: int) -> object:
        return self.stored.get(key, NOTHING) if self._acts(member) else GONE

    def delete_meta(self, member: str, key: int, _value: int) -> object:
        if not self._acts(member):
            return GONE
        self.stored.pop(key, None)
        return None

    # --- at rest ------------------------------------------------------------------------------------------------------

    def at_rest(self) -> tuple[list[Entry], dict[str, list[int]], set[str]]:
        """All entries; and of each member its keys, which link it with the registry, and without which it is not."""
        keys = {
            each: sorted(entry.key for entry in self.entries if entry.member == each) for each in self.members
        }
        return sorted(self.entries), keys, {each for each in keys if keys[each]}
