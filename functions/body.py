"""A look at a callable's request before the library reads it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from errors import Refused
from flask import Request, Response, jsonify

BODY_BYTES: Final = 65536
"""Ample for the longest tokens; the library would read any length."""


def well_formed_body(handler: Callable[..., Any]) -> Callable[[Request], Response]:
    """Refuse a body that is not ``{"data": …}`` with ``bad-request``.

    The library would write such a body into the log, with the tokens in it, or answer
    ``INTERNAL``.
    """

    @functools.wraps(handler)
    def checked(request: Request) -> Response:
        if request.method != "POST" or _acceptable(request):
            response: Response = handler(request)
            return response
        refused = Refused(
            "bad-request",
            'Send JSON of at most 64 KiB, {"data": {…}} and nothing beside "data", with '
            "Content-Type: application/json.",
        ).to_https()
        response = jsonify(
            error={
                "status": "INVALID_ARGUMENT",
                "message": refused.message,
                "details": refused.details,
            }
        )
        response.status_code = 400
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    return checked


def plain_body(handler: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Take a body sent as ``text/plain`` for the JSON that it must be.

    A page may send that without asking first (CORS, a "simple" request): one round trip less. The
    asking kept nobody out, since every origin was answered: which one a key allows is checked
    with the request itself, and no cookie goes with it.
    """

    @functools.wraps(handler)
    def read(request: Request) -> Response:
        # Before the library parses it, which it does once.
        if request.environ.get("CONTENT_TYPE", "").partition(";")[0].strip() == "text/plain":
            request.environ["CONTENT_TYPE"] = "application/json"
        return handler(request)

    return read


def _acceptable(request: Request) -> bool:
    if not request.is_json or (request.content_length or 0) > BODY_BYTES:
        return False
    if len(request.get_data()) > BODY_BYTES:
        return False
    body: Any = request.get_json(silent=True)
    return isinstance(body, dict) and set(body) == {"data"}
