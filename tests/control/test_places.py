"""Where control sockets are, and who may open them."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from regrow.control import ControlError
from regrow.control.places import close_socket, open_socket, socket_paths


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path: that of a socket may have a hundred characters."""
    with tempfile.TemporaryDirectory(prefix="rg") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


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
    (home / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(home / "elsewhere")
    with pytest.raises(ControlError, match="yours alone"):
        open_socket()


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
