"""The order in which applications start: each after all that it needs. They stop in the reverse order."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from regrow.application.builtin import BY_ADDRESS
from regrow.application.definition import Application, ApplicationRef, address_of
from regrow.application.errors import DependencyCycle, InvalidApplication, UnknownApplication

__all__ = ["resolve", "start_order"]

Known = Mapping[str, type[Application]]


def start_order(application: type[Application], known: Known) -> list[type[Application]]:
    """*application* and all that it needs, what is needed first.

    *known* are the applications that may be called by their names alone.
    """
    order: list[type[Application]] = []
    path: list[type[Application]] = []
    named: dict[str, type[Application]] = {}

    def visit(each: type[Application]) -> None:
        if each in order:
            return
        if each in path:
            raise DependencyCycle([one.name for one in (*path[path.index(each) :], each)])
        other = named.setdefault(each.name, each)
        if other is not each:
            raise InvalidApplication(
                f"{address_of(other)} and {address_of(each)} are both named {each.name!r}; "
                "give one of them another name"
            )
        path.append(each)
        for needed in each.extra_applications:
            met = named.get(needed) if isinstance(needed, str) else None
            visit(met or resolve(needed, known, needed_by=address_of(each)))
        path.pop()
        order.append(each)

    visit(application)
    return order


def resolve(application: ApplicationRef, known: Known, needed_by: str | None = None) -> type[Application]:
    """The class that *application* means: a class itself, a known name, or ``"module:Class"``."""
    if not isinstance(application, str):
        if (
            isinstance(application, type)
            and issubclass(application, Application)
            and application is not Application
        ):
            return application
        raise InvalidApplication(
            f"an application is a subclass of Application or its name, got {application!r}"
        )
    if application in known:
        return known[application]
    given, application = application, BY_ADDRESS.get(application, application)
    module_name, colon, attribute = application.partition(":")
    if not (colon and module_name and attribute):
        raise UnknownApplication(given, [*known, *BY_ADDRESS], needed_by)
    try:
        found: object = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ModuleNotFoundError, AttributeError) as error:
        raise UnknownApplication(given, [*known, *BY_ADDRESS], needed_by) from error
    if isinstance(found, type) and issubclass(found, Application) and found is not Application:
        return found
    raise InvalidApplication(
        f"{application} is no application but {found!r}; it must be a subclass of Application"
    )
