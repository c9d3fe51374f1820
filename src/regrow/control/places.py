"""Where the sockets are: one for each running program, ``<pid>.sock``, in a folder that is its owner's alone.

The folder is ``regrow`` in ``XDG_RUNTIME_DIR``, where the system has one for the user, else ``regrow-<uid>`` in the
folder for temporary files. A client looks in both. A folder of that name that is somebody else's, or open to others,
is not used: whoever could put a socket there could pose as a program. Nor does one such hide what is in the other.
"""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from pathlib import Path
from typing import Final

from regrow.control.protocol import ControlError

__all__ = ["close_socket", "open_socket", "socket_paths"]

MODE: Final = 0o700
BACKLOG: Final = 16
OPENING: Final = ".open"
"""How the name ends before anybody listens, that nobody takes it for one left behind. As long as ".sock": what can be
bound can be called."""


def open_socket() -> socket.socket:
    """A listening socket for this program, at its place; what programs that have ended left behind is removed.

    ControlError says why there can't be one.
    """
    folder = _folders()[0]
    try:
        folder.mkdir(mode=MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise ControlError(
            f"the folder {folder} for control sockets can't be made: {error.strerror}"
        ) from None
    _check(folder)
    for each in folder.glob("*.sock"):
        _remove_if_stale(each)
    opening = folder / f"{os.getpid()}{OPENING}"
    path = _place(opening)
    if path.exists():
        raise ControlError(f"the control socket {path} can't be opened: it is open already")
    opening.unlink(missing_ok=True)  # of one with this pid that was killed
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(opening))
        opening.chmod(0o600)  # before listen: nobody can have connected
        listening.listen(BACKLOG)
        opening.rename(path)
    except OSError as error:
        listening.close()
        opening.unlink(missing_ok=True)
        raise ControlError(f"the control socket {path} can't be opened: {error.strerror or error}") from None
    listening.setblocking(False)
    return listening


def close_socket(listening: socket.socket) -> None:
    """Close it, and remove its file."""
    path = _place(listening.getsockname())
    listening.close()
    path.unlink(missing_ok=True)


def socket_paths() -> list[Path]:
    """The sockets of all programs of this user that may be running, the last opened last.

    A folder that others may have made, the one among the temporary files, is passed over if it is not safe, unless it
    is our own place, or there is nothing elsewhere: then ControlError says so.
    """
    found: list[Path] = []
    unsafe: ControlError | None = None
    for place, folder in enumerate(_folders()):
        if not os.path.lexists(folder):
            continue
        try:
            _check(folder)
        except ControlError as error:
            if place == 0:
                raise
            unsafe = error
        else:
            found += folder.glob("*.sock")
    if unsafe is not None and not found:
        raise unsafe
    return sorted(found, key=_age)


def _place(opening: str | Path) -> Path:
    """Where a socket is that was bound to the path *opening*, when it is open."""
    return Path(opening).with_suffix(".sock")


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # its program has just ended
        return 0.0


def _folders() -> list[Path]:
    """Where a socket may be, the place for our own first."""
    if not (hasattr(socket, "AF_UNIX") and hasattr(os, "getuid")):
        raise ControlError("control sockets are Unix sockets, which this system has not")
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    temporary = Path(tempfile.gettempdir()) / f"regrow-{os.getuid()}"
    return (
        [Path(given) / "regrow", temporary] if os.path.isabs(given) and os.path.isdir(given) else [temporary]
    )


def _check(folder: Path) -> None:
    """Refuse a folder that is not ours alone; a symbolic link to one as well."""
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or stat.S_IMODE(about.st_mode) & 0o077:
        raise ControlError(
            f"{folder} must be a folder that is yours alone (mode 700, no link), for control sockets lie there; "
            f"it has the owner {about.st_uid} and the mode {stat.S_IMODE(about.st_mode):o}"
        )


def _remove_if_stale(path: Path) -> None:
    """A socket that nobody listens on any more was left by a program that was killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError:  # gone meanwhile, or its program has no time now
            pass
