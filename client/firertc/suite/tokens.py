"""Tokens that the emulators take for a user's: unsigned, with any claims."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

from .addresses import DEMO_PROJECT

__all__ = ["user_token"]

LIFETIME_SECONDS = 3600
"""As long as a real ID token lives (Firebase Auth)."""


def user_token(
    uid: str, claims: Mapping[str, Any] | None = None, *, project: str = DEMO_PROJECT
) -> str:
    """Make the ID token of a user, as Auth would issue it to one who came with a custom token.

    The signature is missing (``alg: none``, RFC 7519 section 6): no database but an emulator
    takes it.

    :param uid: ``request.auth.uid`` in the rules.
    :param claims: further claims, ``request.auth.token.*`` in the rules.
    :param project: the project's id, for ``aud`` and ``iss``.
    """
    now = int(time.time())
    payload = {
        "iss": f"https://securetoken.google.com/{project}",
        "aud": project,
        "auth_time": now,
        "user_id": uid,
        "sub": uid,
        "iat": now,
        "exp": now + LIFETIME_SECONDS,
        "firebase": {"identities": {}, "sign_in_provider": "custom"},
        **(claims or {}),
    }
    return f"{_encode({'alg': 'none', 'typ': 'JWT'})}.{_encode(payload)}."


def _encode(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()
