"""Random scenarios, by hypothesis: supervisors with children that fail in every way, servers, links, a registry.

What is drawn is valid, and its outcome is promised: the list of differences says what is kept out for that (see
differences.json, "kept out"). Nothing here knows what should happen, only what may be asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hypothesis import strategies as st

from conformance.scripted import Script

__all__ = ["scenarios"]

Draw = Callable[[st.SearchStrategy[Any]], Any]

REASONS: Final = ("normal", "shutdown", "shutdown:x", "boom", "killed", "noproc")
RESTARTS: Final = ("permanent", "permanent", "transient", "temporary")
FAILURES: Final = (["stop", "no"], ["raise", "oops"], ["exit", "out"], "ignore", ["stop", "normal"])
A_MINUTE: Final = 60
"""Seconds of the restart windows: no scenario lasts that long, and so none depends on how exact a window is."""


@st.composite
def scenarios(draw: Draw, name: str = "generated") -> Script:
    return World(draw, name).scenario()


class World:
    """What the steps so far have named."""

    def __init__(self, draw: Draw, name: str) -> None:
        self.draw = draw
        self.name = name
        self.steps: list[list[Any]] = []
        self.used: dict[str, int] = {}
        self.supervisors: list[Script] = []
        self.children: list[Script] = []
        self.peers: list[Script] = []
        self.held: set[str] = set()
        self.tied: set[str] = set()
        """Who was ever linked with somebody; he ends nobody, since his answer and his own end would race."""
        self.registry: Script | None = None
        self.ordered = self.chance(3)
        self.kills = not self.ordered and self.chance(3)
        """Whether supervisors may be killed; then nobody refuses to stop."""

    def scenario(self) -> Script:
        if self.ordered:
            self.start_supervisor("static", depth=0)
            ways = self.about_supervisors
        else:
            if self.chance(2):
                self.start_registry()
            for _ in range(self.number(0, 2)):
                self.start_supervisor(self.one_of("static", "dynamic"), depth=1)
            for _ in range(self.number(0 if self.supervisors else 2, 3)):
                self.start_peer()
            ways = self.anything
        for _ in range(self.number(3, 22)):
            ways()
        if self.ordered:
            self.step("stop", self.supervisors[0]["id"], "shutdown")
        return {"id": self.name, "ordered": self.ordered, "steps": self.steps}

    # --- drawing ----------------------------------------------------------------------------------------------------

    def number(self, least: int, most: int) -> int:
        drawn: int = self.draw(st.integers(least, most))
        return drawn

    def chance(self, one_in: int) -> bool:
        return self.number(1, one_in) == one_in

    def one_of(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def label(self, stem: str) -> str:
        self.used[stem] = self.used.get(stem, 0) + 1
        return f"{stem}{self.used[stem]}"

    def step(self, *step: Any) -> None:
        self.steps.append(list(step))

    # --- specs ------------------------------------------------------------------------------------------------------

    def supervisor(self, kind: str, depth: int) -> Script:
        script: Script = {"id": self.label("S"), "is": kind, "max_seconds": A_MINUTE}
        if self.chance(2):
            script["max_restarts"] = self.number(0, 5)
        if kind == "dynamic":
            if self.chance(4):
                script["max_children"] = self.number(0, 3)
            if self.chance(4):
                script["extra"] = "more"
        else:
            script["strategy"] = self.one_of("one_for_one", "one_for_all", "rest_for_one")
            if self.chance(3):
                script["auto_shutdown"] = self.one_of("any_significant", "all_significant")
            script["children"] = [self.child(script, depth) for _ in range(self.number(0, 4))]
        self.supervisors.append(script)
        return script

    def child(self, parent: Script, depth: int) -> Script:
        if depth and self.chance(6):
            return self.supervisor(self.one_of("static", "dynamic"), depth - 1) | self.keys(parent)
        script = self.server(self.label("c")) | self.keys(parent)
        if parent["is"] == "static":
            script.pop("continue", None)  # its turn is beside the start of the next child
        if self.chance(4) and not ("via" in script and "listeners" in (self.registry or {})):
            script["init"] = ["ok"] * self.number(0 if self.chance(6) else 1, 2)
            script["init"] += [self.one_of(*FAILURES) for _ in range(self.number(1, 4))]
        if self.chance(10):
            script["starts"] = [
                "ok",
                *(self.one_of("info", "garbage", ["error", "no"], ["raise", "oops"]) for _ in range(2)),
            ]
        if script.get("trap") and not self.kills and self.chance(8):
            script |= {"terminate": "refuse", "shutdown": 30}
        self.children.append(script)
        return script

    def keys(self, parent: Script) -> Script:
        keys: Script = {}
        if self.chance(2):
            keys["restart"] = self.one_of(*RESTARTS)
        if self.chance(4):
            keys["shutdown"] = self.one_of("brutal_kill", "infinity", 2000)
        if "auto_shutdown" in parent and keys.get("restart") in ("transient", "temporary") and self.chance(2):
            keys["significant"] = True
        return keys

    def server(self, label: str) -> Script:
        script: Script = {"id": label}
        if self.chance(2) or (
            self.ordered and not self.chance(4)
        ):  # in order are those who say that they end
            script["trap"] = True
            if self.ordered or self.chance(2):
                script["terminate"] = self.one_of(
                    "ok", "ok", ["raise", "late"], ["exit", "spoilt"], ["exit", "normal"]
                )
        if self.chance(6):
            script["name"] = self.one_of("n1", "n2")
        elif self.registry is not None and self.registry["keys"] == "unique" and self.chance(4):
            script["via"] = ["R", self.one_of("k1", "k2"), *([7] if self.chance(2) else [])]
        if self.chance(10):
            script["continue"] = ["one", self.one_of("two", ["stop", "normal"], ["crash", "early"])]
        return script

    # --- what there is to begin with --------------------------------------------------------------------------------

    def start_registry(self) -> None:
        keys = self.one_of("unique", "unique", "duplicate")
        self.registry = {"keys": keys, "partitions": self.number(1, 3)}
        if self.chance(3):
            self.step("start", {"id": "ear", "link": False, "name": "ear"})
            self.registry["listeners"] = ["ear"]
        self.step("registry", "R", self.registry)

    def start_supervisor(self, kind: str, depth: int) -> None:
        script = self.supervisor(kind, depth)
        parents = [each for each in self.peers if each.get("trap") and each["id"] not in self.held]
        if parents and self.chance(2):
            parent = self.one_of(*parents)["id"]
            self.tied.add(parent)
            self.step("call", parent, ["do", ["start", script]])
        else:
            self.step("start", script)

    def start_peer(self) -> None:
        script = self.server(self.label("p"))
        if self.chance(3):
            script["link"] = False
        self.peers.append(script)
        self.step("start", script)

    # --- steps ------------------------------------------------------------------------------------------------------

    def anything(self) -> None:
        ways = [self.look]
        ways += [self.about_supervisors] * 4 if self.supervisors else []
        ways += [self.about_peers] * 3 if self.peers else []
        ways += [self.about_the_registry] * 2 if self.registry and (self.peers or self.children) else []
        ways += [self.start_anew]
        self.one_of(*ways)()

    def start_anew(self) -> None:
        if len(self.supervisors) < 4 and self.chance(2):
            self.start_supervisor(self.one_of("static", "dynamic"), depth=1)
        else:
            self.start_peer()

    def about_supervisors(self) -> None:
        self.one_of(
            *[self.harm_a_child] * 6,
            *[self.start_a_child] * 2,
            self.terminate_a_child,
            self.by_id,
            self.tell_a_child,
            self.look,
            self.end_a_supervisor,
            self.change_a_supervisor,
        )()

    def harm_a_child(self) -> None:
        targets = [each for each in (*self.children, *self.supervisors) if each["id"] not in self.held]
        if not targets:
            return
        child = self.one_of(*targets)
        if "is" in child:
            self.end_a_supervisor()
        elif child.get("terminate") == "refuse":
            self.step("exit", child["id"], self.one_of("kill", "normal", "boom"))
        else:
            self.harm(child)

    def harm(self, server: Script) -> None:
        to, reason = server["id"], self.one_of(*REASONS)
        command = self.one_of(["crash", "oops"], ["exit", reason], ["stop", reason], ["exit", "kill"])
        self.step(
            *self.one_of(
                ("exit", to, self.one_of(*REASONS, "kill", "kill")),
                ("cast", to, command),
                ("call", to, command),
                ("send", to, command),
                ("call", to, ["reply_stop", "bye", reason]),
                ("call", to, ["continue", "one", command]),
            )
        )

    def start_a_child(self) -> None:
        if not self.supervisors:
            return
        parent = self.one_of(*self.supervisors)
        mine = [each for each in parent.get("children", ()) if "is" not in each]
        script = (
            self.one_of(*mine) if mine and self.chance(4) else self.child(parent, 0 if self.ordered else 1)
        )
        self.step("start_child", parent["id"], script)

    def terminate_a_child(self) -> None:
        everybody = [*self.children, *self.supervisors]
        if self.supervisors and everybody:
            self.step("terminate_child", self.one_of(*self.supervisors)["id"], self.one_of(*everybody)["id"])

    def by_id(self) -> None:
        static = [each for each in self.supervisors if each["is"] == "static"]
        everybody = [*self.children, *self.supervisors]
        if not static or not everybody:
            return
        parent = self.one_of(*static)
        mine = parent["children"] or everybody
        operation = self.one_of("terminate_child", "restart_child", "restart_child", "delete_child", "spec")
        self.step(operation, parent["id"], self.one_of(*(everybody if self.chance(5) else mine))["id"])

    def tell_a_child(self) -> None:
        children = [each for each in self.children if each["id"] not in self.held]
        if children:
            to = self.one_of(*children)["id"]
            self.step(
                "call",
                to,
                self.one_of("ping", "get", ["put", 1], "extra", ["note", "here"], ["continue", "one"]),
            )

    def end_a_supervisor(self) -> None:
        if not self.supervisors or not self.chance(2):
            return
        to = self.one_of(*self.supervisors)["id"]
        reason = self.one_of(*REASONS, *(["kill"] * 3 if self.kills else []))
        peers = [each for each in self.peers if each["id"] not in self.held]
        if reason == "kill" or self.chance(2):
            self.step("exit", to, reason)
        elif peers and self.chance(2):
            self.step("call", self.one_of(*peers)["id"], ["do", ["exit", to, reason]])
        else:
            self.step("stop", to, reason)

    def change_a_supervisor(self) -> None:
        if not self.supervisors or not self.chance(2):
            return
        script = self.one_of(*self.supervisors)
        changed = script | {"max_restarts": self.number(0, 5)}
        if script["is"] == "dynamic":
            changed |= {"max_children": self.number(0, 4)}
        else:
            changed |= {"strategy": self.one_of("one_for_one", "one_for_all", "rest_for_one")}
            changed["children"] = self.draw(st.permutations(script["children"]))
            del changed["children"][self.number(0, len(changed["children"])) :]
        self.step("change", script["id"], changed)

    def look(self) -> None:
        everybody = [*self.supervisors, *self.children, *self.peers]
        if self.supervisors and self.chance(2):
            self.step(self.one_of("which", "which", "count"), self.one_of(*self.supervisors)["id"])
        elif everybody and self.chance(2):
            self.step("alive", self.one_of(*everybody)["id"])
        else:
            self.step("whereis", self.one_of("@n1", "@n2"))

    # --- servers, links and monitors --------------------------------------------------------------------------------

    def about_peers(self) -> None:
        free = [each for each in self.peers if each["id"] not in self.held]
        if not free:
            return self.let_go()
        peer = self.one_of(*free)
        others = [each["id"] for each in (*self.peers, *self.children, *self.supervisors)]
        other = self.one_of(*others, "@n1", "@n2")
        another = self.one_of(*others, "@nobody")
        to = peer["id"]
        act: Callable[..., None] = self.one_of(
            lambda: self.harm(peer),
            lambda: self.tie(peer, free),
            lambda: self.tie(peer, free),
            lambda: self.step("call", to, ["do", ["monitor", another]]),
            lambda: self.step("call", to, ["do", ["demonitor", another]]),
            lambda: self.step("monitor", other),
            lambda: self.step("demonitor", other, "flush"),
            lambda: self.step("call", to, ["do", self.asked_of(free, to)]),
            lambda: self.step("call", to, ["must", self.asked_of(free, to)]),
            lambda: self.step("call", to, self.one_of("ping", "get", ["put", 2], ["continue", "one", "two"])),
            lambda: self.step("background", self.label("k"), ["call", to, "later"]),
            lambda: self.step("call", to, ["answer", "now"]),
            lambda: self.step("stop", to, self.one_of(*REASONS)),
            lambda: self.trap(peer),
            lambda: self.hold(to),
            lambda: self.let_go(),
            lambda: self.wait(to),
            lambda: self.step("register", to, self.one_of("n1", "n2")),
            lambda: self.step("cast", self.one_of(to, "@n1", "@n2"), ["note", "hello"]),
        )
        return act()

    def tie(self, peer: Script, free: list[Script]) -> None:
        """Link two, perhaps undo that from either side, and perhaps harm one of them."""
        other = self.one_of(*free)
        sides = (peer["id"], other["id"])
        self.tied.update(sides)
        for way in ("link", *(["unlink"] if self.chance(3) else [])):
            me, it = sides if self.chance(2) else sides[::-1]
            self.step("call", me, ["do", [way, it]])
        if self.chance(2):
            self.harm(other)

    def asked_of(self, free: list[Script], me: str) -> list[Any]:
        """What one server asks of another, or of itself."""
        to, reason = self.one_of(*free)["id"], self.one_of(*REASONS)
        asked: list[list[Any]] = [
            ["call", to, "ping"],
            ["cast", to, ["note", "cast"]],
            ["send", to, ["note", "sent"]],
        ]
        if me not in self.tied:
            asked += [["call", to, ["crash", "asked"]], ["call", to, ["stop", reason]], ["stop", to, reason]]
            asked += [["exit", to, reason]] if to != me else []
        drawn: list[Any] = self.one_of(*asked)
        return drawn

    def trap(self, peer: Script) -> None:
        if "terminate" not in peer and peer["id"] not in self.tied:
            self.step("call", peer["id"], ["do", ["trap", self.chance(2)]])

    def hold(self, to: str) -> None:
        """Make it wait in a handler, or suspend it; until ``let_go`` nobody waits for it."""
        self.held.add(to)
        if self.chance(2):
            self.step("background", self.label("k"), ["call", to, "hold"])
        else:
            self.step("suspend", to)
        for _ in range(self.number(0, 3)):
            self.step(
                *self.one_of(
                    ("cast", to, ["note", "waits"]),
                    ("cast", to, ["stop", "normal"]),
                    ("send", to, ["note", "waits"]),
                    ("background", self.label("k"), ["call", to, "ping", "infinity"]),
                    ("exit", to, self.one_of("boom", "normal", "kill")),
                )
            )
        self.let_go()

    def let_go(self) -> None:
        for to in sorted(self.held):
            self.step("release", to)
            self.step("resume", to)
        self.held.clear()

    def wait(self, to: str) -> None:
        """A little real time, now and then."""
        if self.chance(8):
            self.step("call", to, "later", 30)
        elif self.chance(8):
            self.step("cast", to, ["timeout", 30])
            self.step("wait", 120)

    # --- the registry -----------------------------------------------------------------------------------------------

    def about_the_registry(self) -> None:
        assert self.registry is not None
        who = [each["id"] for each in (*self.peers, *self.children) if each["id"] not in self.held]
        if not who:
            return
        me, other = self.one_of(*who), self.one_of(*who)
        key, value = self.one_of("k1", "k2"), self.number(1, 2)
        acts: list[list[Any]] = [["reg", "R", key, value]] * 4
        if "listeners" not in self.registry:
            acts += [["unreg", "R", key], ["unreg_match", "R", key, value]]
        if self.registry["keys"] == "unique":
            acts += [["update", "R", key, 9]]
        acts += [
            ["lookup", "R", key],
            ["keys", "R", other],
            ["values", "R", key, other],
            ["entries", "R"],
            ["match", "R", key, value],
            ["dispatch", "R", key, ["note", "all"]],
        ]
        act = self.one_of(*acts)
        self.step(*(act if self.chance(3) else ("call", me, ["do", act])))
