"""``firestore.indexes.json``: as firebase-tools wants it, and no query of a client is exempt."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[2]
INDEXES: Final = ROOT / "firestore.indexes.json"
NODE_SECONDS: Final = 60

VALIDATE: Final = """
const {FirestoreApi} = require("firebase-tools/lib/firestore/api");
new FirestoreApi().validateSpec(JSON.parse(require("fs").readFileSync(0, "utf8")));
"""

LEASED: Final = ["rooms", "peers", "calls", "messages", "callers", "removed"]
CLIENT_QUERIES: Final = [("calls", "to"), ("calls", "from"), ("rooms", "listed"),
                         ("messages", "to"), ("messages", "from")]  # fmt: skip


@pytest.fixture(scope="module")
def declared() -> dict[str, Any]:
    """What is deployed."""
    found: dict[str, Any] = json.loads(INDEXES.read_text(encoding="utf-8"))
    return found


def _validate(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", "-e", VALIDATE],
        cwd=ROOT,
        input=text,
        text=True,
        capture_output=True,
        timeout=NODE_SECONDS,
        check=False,
    )


def test_firebase_tools_accept_it(declared: dict[str, Any]) -> None:
    """Its own validator does, and not just anything."""
    assert _validate(json.dumps(declared)).returncode == 0
    wrong = {**declared, "indexes": [{"collectionGroup": "calls"}]}
    refused = _validate(json.dumps(wrong))
    assert refused.returncode != 0
    assert "queryScope" in refused.stderr


def test_every_lease_ends_by_itself(declared: dict[str, Any]) -> None:
    """A TTL policy on ``leaseUntil``, its own index exempt, the sweep's composite one there."""
    policies = [field for field in declared["fieldOverrides"] if field.get("ttl")]
    assert sorted(field["collectionGroup"] for field in policies) == sorted(LEASED)
    assert all(field["fieldPath"] == "leaseUntil" for field in policies)
    assert all(field["indexes"] == [] for field in policies)
    sweeps = {
        index["collectionGroup"]: [field["fieldPath"] for field in index["fields"]]
        for index in declared["indexes"]
        if index["queryScope"] == "COLLECTION_GROUP"
    }
    assert sweeps == {group: ["shard", "leaseUntil"] for group in LEASED}


def test_no_client_query_is_exempt(declared: dict[str, Any]) -> None:
    """They ask for one field to equal a value: the automatic index of it must stay."""
    overrides = declared["fieldOverrides"]
    exempt = {(field["collectionGroup"], field["fieldPath"]) for field in overrides}
    assert exempt.isdisjoint(CLIENT_QUERIES)
    assert len(exempt) == len(overrides) <= 200  # Firestore's limit
    assert {("calls", "offer"), ("calls", "answer"), ("calls", "offerCandidates")} <= exempt
