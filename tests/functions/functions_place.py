"""The emulators as the functions' tests see them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
from google.cloud import firestore

Serve = Callable[..., AbstractContextManager[tuple[str, Path]]]
"""The fixture ``serve``: settings in, a base address and the path of the log out."""


class Place:
    """The emulators, and a realm of one test's own."""

    def __init__(self) -> None:
        """Take the addresses that the suite has put into the environment."""
        self.project = os.environ["GCLOUD_PROJECT"]
        self.firestore = os.environ["FIRESTORE_EMULATOR_HOST"]
        self.auth = os.environ["FIREBASE_AUTH_EMULATOR_HOST"]
        self.functions = os.environ["FIRERTC_FUNCTIONS_URL"]
        self.database = firestore.Client(project=self.project)
        self.aside = firestore.Client(project=self.project, database="aside")
        """A second database: no trigger watches it, so that a test can call them by hand."""
        self.realm = "t" + secrets.token_hex(6)

    def close(self) -> None:
        """Close the connections."""
        self.database.close()  # type: ignore[no-untyped-call]  # it has no types
        self.aside.close()  # type: ignore[no-untyped-call]  # it has no types

    def make_key(self, **fields: Any) -> tuple[str, str]:
        """Write a key of this realm; returns it and its secret."""
        key, secret = "k" + secrets.token_hex(8), secrets.token_urlsafe(32)
        document = {
            "realm": self.realm,
            "secret": secret,
            "origins": ["https://app.example.com"],
            "programs": True,
            "label": "test",
            "disabled": False,
            "limits": {},
            "createdAt": firestore.SERVER_TIMESTAMP,
        }
        self.database.document(f"keys/{key}").set(document | fields)
        return key, secret

    def post(self, data: Any, *, url: str | None = None, **options: Any) -> httpx.Response:
        """Call ``join`` over HTTP."""
        return httpx.post(
            f"{url or self.functions}/join", json={"data": data}, timeout=30, **options
        )

    def join(self, key: str, **fields: Any) -> dict[str, Any]:
        """Join; the result."""
        response = self.post({"key": key} | fields)
        assert response.status_code == 200, response.text
        result: dict[str, Any] = response.json()["result"]
        return result

    def refusal(self, data: Any, **options: Any) -> tuple[int, str, str]:
        """Join and be refused: HTTP status, code and message."""
        response = self.post(data, **options)
        error = response.json().get("error")
        assert error is not None, response.text
        return response.status_code, error["details"]["code"], error["message"]

    def sign_in(self, custom_token: str) -> str:
        """Exchange a custom token for an ID token."""
        response = httpx.post(
            f"http://{self.auth}/identitytoolkit.googleapis.com/v1/accounts:signInWithCustomToken",
            params={"key": "any"},
            json={"token": custom_token, "returnSecureToken": True},
            timeout=10,
        )
        assert response.status_code == 200, response.text
        token: str = response.json()["idToken"]
        return token

    def rest(self, path: str) -> str:
        """REST address of a document, or of ``:commit``."""
        root = f"v1/projects/{self.project}/databases/(default)/documents"
        # An id of ours may hold a percent sign, which an address must escape.
        return f"http://{self.firestore}/{root}{path.replace('%', '%25')}"
