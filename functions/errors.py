"""Every refusal of ``join``, with the HTTP status it gets (docs/protocol.md, section 6)."""

from __future__ import annotations

from typing import Final

from firebase_functions.https_fn import FunctionsErrorCode, HttpsError

_STATUS: Final = {
    "bad-request": FunctionsErrorCode.INVALID_ARGUMENT,
    "unknown-key": FunctionsErrorCode.PERMISSION_DENIED,
    "disabled-key": FunctionsErrorCode.PERMISSION_DENIED,
    "origin-not-allowed": FunctionsErrorCode.PERMISSION_DENIED,
    "programs-not-allowed": FunctionsErrorCode.PERMISSION_DENIED,
    "invalid-peer-id": FunctionsErrorCode.INVALID_ARGUMENT,
    "invalid-room": FunctionsErrorCode.INVALID_ARGUMENT,
    "unavailable-id": FunctionsErrorCode.ALREADY_EXISTS,
    "expired-token": FunctionsErrorCode.UNAUTHENTICATED,
    "forged-token": FunctionsErrorCode.UNAUTHENTICATED,
    "token-required": FunctionsErrorCode.UNAUTHENTICATED,
    "wrong-room": FunctionsErrorCode.PERMISSION_DENIED,
    "room-full": FunctionsErrorCode.RESOURCE_EXHAUSTED,
    "room-locked": FunctionsErrorCode.PERMISSION_DENIED,
    "app-check-required": FunctionsErrorCode.UNAUTHENTICATED,
    "misconfigured": FunctionsErrorCode.INTERNAL,
    "database-unavailable": FunctionsErrorCode.UNAVAILABLE,
}


class Refused(Exception):
    """``join`` says no. The text says why and what to do; it never holds a secret."""

    def __init__(self, code: str, message: str) -> None:
        """Take a code of the table above and a sentence for the developer who reads it."""
        super().__init__(message)
        self.code: Final = code
        self.message: Final = message

    def to_https(self) -> HttpsError:
        """The error that the callable protocol carries, with ``details: {"code": …}``."""
        return HttpsError(_STATUS[self.code], self.message, {"code": self.code})
