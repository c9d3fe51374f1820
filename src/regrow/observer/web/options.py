"""What can be chosen about the web page, checked where it is said.

The rule behind the checks: on loopback the page is open to whoever is on this machine, and beyond it nothing is open
without a token.

>>> WebOptions(port=4001).loopback
True
>>> WebOptions(host="0.0.0.0")
Traceback (most recent call last):
ValueError: host='0.0.0.0' lets other machines in, so the page needs a token. Make one with ...
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["LOOPBACK_HOSTS", "WebOptions"]

LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "::1")
"""What a browser on this machine calls it."""

SHORTEST_TOKEN: Final = 16
MAKE_ONE: Final = 'python -c "import secrets; print(secrets.token_urlsafe())"'


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """The options of ``Observer.child_spec(port=...)`` and ``Observer.asgi(...)`` that are about the web page.

    Raises ``ValueError`` or ``TypeError``, with the value and what is allowed.
    """

    host: str = "127.0.0.1"
    """The address to listen on. Any other than this machine's own needs a *token*."""

    port: int = 4000
    """The port to listen on; 0 takes a free one."""

    token: str | None = None
    """What a visitor has to show, 16 characters or more: see ``guards``."""

    allowed_hosts: Sequence[str] = ()
    """Names under which the page may be asked for, besides this machine's own: ``["panel.internal"]``."""

    actions: bool = False
    """Whether the page may change anything: stop, kill, suspend, resume and restart."""

    show_state: bool = False
    """Whether the states of servers and their messages may be looked at. They can hold secrets."""

    max_clients: int = 64
    """How many pages may be open and live at a time. One more is told to come back later."""

    def __post_init__(self) -> None:
        _require(self, "host", str, "an address to listen on, as a string")
        _require(self, "port", int, "a port from 0 to 65535")
        _require(self, "max_clients", int, "a whole number, 1 or more")
        for name in ("actions", "show_state"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name}={getattr(self, name)!r}: must be True or False")
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"port={self.port}: must be a port from 0 to 65535; 0 takes a free one")
        if self.max_clients < 1:
            raise ValueError(f"max_clients={self.max_clients}: must be 1 or more")
        hosts = self.allowed_hosts
        if isinstance(hosts, str) or not all(isinstance(each, str) and each for each in hosts):
            raise TypeError(
                f"allowed_hosts={hosts!r}: must be a list of host names, as strings without a port"
            )
        self._check_token()

    def _check_token(self) -> None:
        token = self.token
        if token is None:
            if not self.loopback:
                raise ValueError(
                    f"host={self.host!r} lets other machines in, so the page needs a token. Make one with\n"
                    f"    {MAKE_ONE}\n"
                    f"and give it: Observer.child_spec(port={self.port}, host={self.host!r}, "
                    "token=os.environ['OBSERVER_TOKEN'])"
                )
        elif not isinstance(token, str):
            raise TypeError(f"token is a {type(token).__name__}: must be a string")
        elif len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError(  # and not the token itself: errors end up in logs
                f"the token has {len(token)} characters: it must be {SHORTEST_TOKEN} or more, "
                f"of printable ASCII without spaces. Make one with\n    {MAKE_ONE}"
            )

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the page."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __repr__(self) -> str:
        """Without the token: child specs are shown in reports."""
        return (
            f"WebOptions(host={self.host!r}, port={self.port}, token={'***' if self.token else None}, "
            f"actions={self.actions}, show_state={self.show_state})"
        )


def _require(options: WebOptions, name: str, kind: type, what: str) -> None:
    value = getattr(options, name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{name}={value!r}: must be {what}")
