"""The writes that rows are made of, as the people concerned make them."""

from __future__ import annotations

from typing import Any, Final

from .operations import Commit, Write, change, commit, put
from .people import Person
from .world import NEW_CALL, OPEN_CALL, TAKEN_CALL, answer, call, caller, card, message, room

LOBBY: Final = "rooms/lobby"
VAULT: Final = "rooms/vault"
HALL: Final = "rooms/hall"

STANDING: Final = f"{LOBBY}/calls/alice~s0"
"""Open."""
ANSWERED: Final = f"{LOBBY}/calls/alice~s1"
"""A standing offer that Bob answered."""
DIRECT: Final = f"{LOBBY}/calls/alice~bob~0"
"""To Bob, who has not answered yet."""
TALKING: Final = f"{LOBBY}/calls/alice~bob~1"
"""To Bob, who answered."""

OPEN: Final = f"calls/{OPEN_CALL}"
TAKEN: Final = f"calls/{TAKEN_CALL}"
NEW: Final = f"calls/{NEW_CALL}"

BIG: Final = "x" * 90_000


def answered_by(person: Person, path: str = STANDING, **fields: Any) -> Write:
    """An answer, as a person gives it."""
    return change(
        path, **{"to": person.peer, "toSession": person.session, "answer": answer(), **fields}
    )


def offered(person: Person, slot: int = 0, **fields: Any) -> Write:
    """A standing offer in the lobby."""
    fields.setdefault("attempt", slot)
    return put(f"{LOBBY}/calls/{person.peer}~s{slot}", call("standing", person), **fields)


def called(
    person: Person, to: Person, attempt: int = 2, kind: str = "direct", **fields: Any
) -> Write:
    """A direct offer in the lobby."""
    path = f"{LOBBY}/calls/{person.peer}~{to.peer}~{attempt % 4}"
    return put(path, call(kind, person, to, attempt=attempt), **fields)


def opened(person: Person, call_id: str = NEW_CALL, **fields: Any) -> Write:
    """A one-off call."""
    return put(f"calls/{call_id}", call("open", person), **fields)


def named(person: Person, call_id: str = NEW_CALL, **fields: Any) -> Write:
    """Its entry in the counter."""
    return put(f"callers/{person.peer}", caller(call_id), **fields)


def both(person: Person, call_id: str = NEW_CALL, **fields: Any) -> Commit:
    """The two in one commit."""
    return commit(opened(person, call_id, **fields), named(person, call_id))


def made(person: Person, name: str = "den", **fields: Any) -> Write:
    """A new room."""
    return put(f"rooms/{name}", room(person), **fields)


def entered(person: Person, place: str = LOBBY, **fields: Any) -> Write:
    """A peer document."""
    return put(f"{place}/peers/{person.peer}", card(person), **fields)


def first_in(person: Person) -> Commit:
    """A new room and its first peer."""
    return commit(made(person), entered(person, "rooms/den"))


def said(person: Person, slot: int | str = 3, **fields: Any) -> Write:
    """A message."""
    return put(f"rooms/lobby/messages/{person.peer}~m{slot}", message(person), **fields)
