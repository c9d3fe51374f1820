"""Where control sockets are, and who may open them."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from regrow.control import ControlError
from regrow.control.places import close_socket, open_socket, socket_paths
from tests.control import shops

home = shops.home


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_and_the_socket_are_their_owners_alone(home: Path) -> None:
    listening = open_socket()
    path = home / "regrow" / f"{os.getpid()}.sock"
    assert socket_paths() == [path]
    assert (mode(path.parent), mode(path)) == (0o700, 0o600)
    close_socket(listening)
    assert socket_paths() == []


def test_without_a_folder_of_the_systems_it_is_among_the_temporary_files(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for given in ("", "not/absolute", str(home / "missing")):
        monkeypatch.setenv("XDG_RUNTIME_DIR", given)
        listening = open_socket()
        assert Path(listening.getsockname()).parent == home / f"regrow-{os.getuid()}"
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
        assert len(socket_paths()) == 1  # who has the folder looks there as well
        close_socket(listening)


def test_a_folder_that_is_open_to_others_is_refused(home: Path) -> None:
    folder = home / "regrow"
    folder.mkdir(mode=0o700)
    folder.chmod(0o755)
    with pytest.raises(ControlError, match=r"must be a folder that is yours alone .* the mode 755"):
        open_socket()
    with pytest.raises(ControlError, match="yours alone"):
        socket_paths()
    folder.rmdir()
    folder.write_text("a file")
    with pytest.raises(ControlError, match="yours alone"):
        socket_paths()
    folder.unlink()
    (home / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(home / "elsewhere")
    with pytest.raises(ControlError, match="yours alone"):
        open_socket()


def test_a_folder_that_is_somebody_elses_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home / "regrow"
    folder.mkdir(mode=0o700)
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    for function in (open_socket, socket_paths):
        with pytest.raises(ControlError, match=rf"yours alone .* has the owner {owner} and the mode 700"):
            function()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("made", ["a folder", "a link to nothing", "a file"])
def test_what_others_put_among_the_temporary_files_hides_no_program(home: Path, made: str) -> None:
    squatted = home / f"regrow-{os.getuid()}"
    if made == "a folder":
        squatted.mkdir(mode=0o755)
        (squatted / "1.sock").touch()
    elif made == "a link to nothing":
        squatted.symlink_to(home / "nothing")
    else:
        squatted.touch()
    with pytest.raises(ControlError, match=f"{squatted} must be a folder that is yours alone"):
        socket_paths()  # nothing is found: perhaps because of that
    listening = open_socket()
    assert socket_paths() == [home / "regrow" / f"{os.getpid()}.sock"]
    close_socket(listening)


def test_our_own_place_has_to_be_safe_whatever_is_found_elsewhere(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    listening = open_socket()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
    assert len(socket_paths()) == 1
    (home / "regrow").mkdir()
    (home / "regrow").chmod(0o755)
    with pytest.raises(ControlError, match="yours alone"):
        socket_paths()
    close_socket(listening)


def test_two_programs_that_start_at_once_leave_each_other_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid, listen = os.getpid(), socket.socket.listen
    opened: list[socket.socket] = []

    def meanwhile(listening: socket.socket, backlog: int) -> None:
        with monkeypatch.context() as other:
            other.setattr(socket.socket, "listen", listen)
            other.setattr(os, "getpid", lambda: pid + 1)
            opened.append(open_socket())
        listen(listening, backlog)

    with monkeypatch.context() as first:
        first.setattr(socket.socket, "listen", meanwhile)
        opened.append(open_socket())
    names = {f"{pid}.sock", f"{pid + 1}.sock"}
    assert {path.name for path in (home / "regrow").iterdir()} == names
    for path in socket_paths():
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    for each in opened:
        close_socket(each)
    assert list((home / "regrow").iterdir()) == []


def test_a_program_opens_one_socket_and_what_one_left_that_was_killed_on_the_way_is_no_hindrance(
    home: Path,
) -> None:
    (home / "regrow").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home / "regrow" / f"{os.getpid()}.open"))
    listening = open_socket()
    with pytest.raises(ControlError, match="can't be opened: it is open already"):
        open_socket()
    (path,) = (home / "regrow").iterdir()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    close_socket(listening)


def test_a_socket_that_can_be_opened_can_be_called(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for spare in range(120 - len(str(home)), 20, -1):  # the longest folder that will do
        folder = home / ("x" * spare)
        folder.mkdir()
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
        try:
            listening = open_socket()
            break
        except ControlError:
            assert list((folder / "regrow").iterdir()) == []
    (path,) = socket_paths()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    close_socket(listening)


def test_what_a_killed_program_left_is_removed_and_what_a_living_one_has_is_not(home: Path) -> None:
    folder = home / "regrow"
    folder.mkdir(mode=0o700)
    for name in ("1.sock", "2.sock"):
        left = socket.socket(socket.AF_UNIX)
        left.bind(str(folder / name))
        if name == "1.sock":
            left.close()
        else:
            left.listen(1)
    listening = open_socket()
    assert {path.name for path in socket_paths()} == {"2.sock", f"{os.getpid()}.sock"}
    close_socket(listening)
    left.close()


def test_a_socket_that_can_not_be_opened_says_why(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "regrow").write_text("a file")
    with pytest.raises(ControlError, match="can't be made"):
        open_socket()
    long = home / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    with pytest.raises(ControlError, match="can't be opened: AF_UNIX path too long"):
        open_socket()


def test_a_system_without_unix_sockets_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "getuid")
    for function in (open_socket, socket_paths):
        with pytest.raises(ControlError, match="which this system has not"):
            function()
