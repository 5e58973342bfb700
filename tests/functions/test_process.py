"""``join`` as a process: settings, logs, the price, and a database that is away."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import httpx
import join
import pytest
import usage
import yaml  # type: ignore[import-untyped]  # its stubs are a package of their own
from firebase_functions import https_fn
from flask import Request
from functions_place import Place, Serve
from google.cloud import firestore
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport
from test_join import make_room
from werkzeug.test import EnvironBuilder

from firertc.tokens import make_token

# ---- settings ---------------------------------------------------------------------------------


def test_app_check_is_asked_for(place: Place, serve: Serve) -> None:
    key, _ = place.make_key()
    with serve(FIRERTC_REQUIRE_APP_CHECK="true") as (url, _):
        data = {"key": key}
        assert place.refusal(data, url=url)[:2] == (401, "app-check-required")
        header = {"X-Firebase-AppCheck": "forged"}
        assert place.refusal(data, url=url, headers=header)[:2] == (401, "app-check-required")


def _call(data: dict[str, Any], app: https_fn.AppCheckData | None = None) -> dict[str, Any]:
    """Call the function behind the protocol, as the library does after checking tokens."""
    environ = EnvironBuilder(method="POST", json={"data": data}).get_environ()
    request = https_fn.CallableRequest(data=data, raw_request=Request(environ), app=app)
    result: dict[str, Any] = inspect.unwrap(join.join)(request)
    return result


@pytest.fixture
def in_process(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """``join`` in this process, with the test's own connection."""
    for module in (join, usage):
        monkeypatch.setattr(module, "client", lambda: place.database)
    yield place
    usage.flush()


def test_app_check_is_accepted(in_process: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRERTC_REQUIRE_APP_CHECK", "true")
    key, _ = in_process.make_key()
    with pytest.raises(https_fn.HttpsError) as error:
        _call({"key": key})
    assert error.value.details == {"code": "app-check-required"}
    verified = https_fn.AppCheckData(app_id="app", token={})
    assert _call({"key": key}, verified)["realm"] == in_process.realm


def _discover(**settings: str) -> subprocess.CompletedProcess[str]:
    """What ``firebase deploy`` would be told."""
    code = (
        "from firebase_functions.private.serving import functions_as_yaml, get_functions\n"
        "print(functions_as_yaml(get_functions()))"
    )
    clean = {name: value for name, value in os.environ.items() if "EMULATOR" not in name}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=os.path.dirname(join.__file__),
        env=clean | settings,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_discovery_needs_nothing() -> None:
    found = _discover()
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    spec = yaml.safe_load(found.stdout)
    assert set(spec["endpoints"]) == {
        *("console", "join", "peer_deleted", "room_deleted", "delete_expired"),
        "delete_idle_accounts",
    }
    # Nothing to be asked on the terminal, and no secret that must exist.
    assert spec["params"] == []
    assert spec["endpoints"]["join"]["secretEnvironmentVariables"] == []


def test_discovery_follows_the_settings() -> None:
    found = _discover(
        FIRERTC_REGION="europe-west3",
        FIRERTC_DATABASE="firertc",
        FIRERTC_TURN="twilio",
        FIRERTC_MAX_INSTANCES="3",
    )
    endpoints = yaml.safe_load(found.stdout)["endpoints"]
    assert {tuple(endpoint["region"]) for endpoint in endpoints.values()} == {("europe-west3",)}
    for name in ("peer_deleted", "room_deleted"):
        assert endpoints[name]["eventTrigger"]["eventFilters"]["database"] == "firertc"
    assert endpoints["join"]["maxInstances"] == 3
    assert endpoints["join"]["secretEnvironmentVariables"] == [{"key": "FIRERTC_TURN_SECRET"}]


@pytest.mark.parametrize(
    "settings",
    [{"FIRERTC_TURN": "cotrun"}, {"FIRERTC_MAX_INSTANCES": "many"}],
)
def test_bad_settings_stop_the_deployment(settings: dict[str, str]) -> None:
    found = _discover(**settings)
    assert found.returncode != 0
    assert next(iter(settings)) in found.stderr


def test_a_typo_does_not_switch_app_check_off(
    in_process: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRERTC_REQUIRE_APP_CHECK", "ture")
    key, _ = in_process.make_key()
    with pytest.raises(https_fn.HttpsError) as error:
        _call({"key": key})
    assert error.value.details == {"code": "misconfigured"}


# ---- logs -------------------------------------------------------------------------------------


def test_no_secret_reaches_the_log_or_an_error(place: Place, serve: Serve) -> None:
    key, secret = place.make_key()
    token = make_token(key, secret, room="r")
    secrets = [secret, token, token.rsplit(".", 1)[1]]
    shown = ""
    with serve() as (url, log):
        joined = place.post({"key": key, "peer": "alice"}, url=url).json()["result"]
        secrets += [joined["resume"], joined["token"], joined["session"]]
        renewal = {"resume": joined["resume"], "session": joined["session"]}
        for data in (
            {"key": key, "token": token},
            {"key": key, **renewal},
            {"key": key, "token": token + "x"},
            {"key": key, "token": token, "room": "other"},
            {"key": key, "resume": joined["resume"] + "x"},
            {"key": key, "resume": token},
            {"key": secret},
            {"key": secret + "/" + secret},
            {"key": key, "call": secret},
            {"key": key, "room": [secret]},
            {"key": key, "surprise": secret},
        ):
            response = place.post(data, url=url)
            if response.status_code != 200:
                shown += response.text
        for body in ({"data": {}, "token": token}, [token], {"token": token}):
            shown += httpx.post(f"{url}/join", json=body, timeout=30).text
        broken = f'{{"data": {{"token": "{token}"'.encode()
        headers = {"Content-Type": "application/json"}
        shown += httpx.post(f"{url}/join", content=broken, headers=headers, timeout=30).text
        written = log.read_text()
    assert "joined" in written
    assert "renewed" in written
    assert "forged-token" in written
    for one in secrets:
        assert one not in written
        assert one not in shown


# ---- the price --------------------------------------------------------------------------------


class Counted(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Counts requests by method."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.calls: Counter[str] = Counter()

    def _count(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        self.calls[details.method.rsplit("/", 1)[1]] += 1
        return continuation(details, request)

    intercept_unary_unary = _count  # type: ignore[assignment]  # of any types
    intercept_unary_stream = _count  # type: ignore[assignment]


@pytest.fixture
def counted(in_process: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """What ``join`` asks of the database, by method."""
    counter = Counted()
    channel = grpc.intercept_channel(grpc.insecure_channel(in_process.firestore), counter)
    database = firestore.Client(project=in_process.project)
    transport = FirestoreGrpcTransport(channel=channel)
    database._firestore_api_internal = FirestoreClient(transport=transport)
    monkeypatch.setattr(join, "client", lambda: database)
    yield counter.calls
    channel.close()


def test_price_of_a_join(in_process: Place, counted: Counter[str]) -> None:
    key, _ = in_process.make_key()

    def price(**fields: Any) -> tuple[dict[str, Any], dict[str, int]]:
        counted.clear()
        return _call({"key": key} | fields), dict(counted)

    read_key = {"BatchGetDocuments": 1}
    anyone, cost = price()
    assert cost == read_key
    again, cost = price(resume=anyone["resume"], session=anyone["session"])
    assert cost == read_key
    assert again["session"] == anyone["session"]
    assert price(resume=anyone["resume"])[1] == read_key
    # A chosen name: its registration is read and written.
    alice, cost = price(peer="alice")
    assert cost == {"BatchGetDocuments": 2, "Commit": 1}
    assert price(resume=alice["resume"], session=alice["session"])[1] == cost
    # A room that is not there; one that is: the count.
    bound, cost = price(room="r")
    assert cost == {"BatchGetDocuments": 2}
    make_room(in_process, "r", peers=1)
    assert price(room="r")[1] == {"BatchGetDocuments": 2, "RunAggregationQuery": 1}
    # A renewal asks nothing about the room.
    assert price(resume=bound["resume"], session=bound["session"])[1] == read_key


# ---- a database that is away ------------------------------------------------------------------


def test_database_away(place: Place, serve: Serve) -> None:
    with serve(FIRESTORE_EMULATOR_HOST="127.0.0.1:9") as (url, log):
        begun = time.monotonic()
        status, code, message = place.refusal({"key": "some-key"}, url=url)
        assert time.monotonic() - begun < 15
    assert (status, code) == (503, "database-unavailable")
    assert "Try again" in message
    assert "Traceback" not in log.read_text()
