"""What a page says on the browser's console."""

from __future__ import annotations

from playwright.sync_api import ConsoleMessage

LATE = ("/documents:commit", "/documents:batchGet")
CLOSED = "(app/app-deleted)"
"""What Firebase notes when a client is closed while it still stores what it counts of itself."""


def complaint(message: ConsoleMessage) -> list[str]:
    """The error or the warning that this is; nothing for any other message.

    The browser itself notes every request that is refused. Some are no fault: what comes too late,
    such as a candidate for a call that stands already, or a look at a call that is over.
    """
    if message.type not in ("error", "warning"):
        return []
    if CLOSED in message.text:
        return []
    address = message.location["url"].split("?")[0]
    if "403" in message.text and address.endswith(LATE):
        return []
    return [f"{message.type}: {message.text} ({address})"]
