"""The owner's commands with a database that can't be had, or is not where one would look."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from firertc.config import ENVIRONMENT, load_config
from firertc.errors import FireRTCError
from firertc.owner import connect, list_keys
from firertc.suite import LocalSuite

FIRERTC = Path(sys.executable).with_name("firertc")

Answer = subprocess.CompletedProcess[str]


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment without settings, credentials, or a machine that has some."""
    known = {variable for variables in ENVIRONMENT.values() for variable in variables}
    kept = {name: value for name, value in os.environ.items() if name not in known}
    kept.pop("GOOGLE_APPLICATION_CREDENTIALS", None)
    kept |= {"HOME": str(tmp_path), "CLOUDSDK_CONFIG": str(tmp_path), "NO_GCE_CHECK": "true"}
    # Nothing listens on this port: what wants to reach the cloud finds no way.
    dead = "http://127.0.0.1:9"
    return kept | {"https_proxy": dead, "grpc_proxy": dead, "no_proxy": "127.0.0.1"}


def process(environment: dict[str, str], folder: Path, *arguments: str) -> Answer:
    """Run ``firertc`` as a process."""
    return subprocess.run(
        [FIRERTC, *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


def require_one_line(outcome: Answer, exit_code: int, words: str) -> None:
    assert outcome.returncode == exit_code, outcome.stderr
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("firertc: ")
    assert outcome.stderr.count("\n") == 1, outcome.stderr
    assert words in outcome.stderr


def test_the_cloud_without_credentials(bare: dict[str, str], tmp_path: Path) -> None:
    outcome = process(bare, tmp_path, "keys", "list", "--project", "some-project")
    require_one_line(outcome, 2, "There are no credentials for the project's owner")
    assert "gcloud auth application-default login" in outcome.stderr
    for content in (None, "", "{}", "not json", '{"type": "service_account"}'):
        file = tmp_path / "credentials.json"
        if content is not None:
            file.write_text(content)
        environment = bare | {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}
        outcome = process(environment, tmp_path, "sweep", "--project", "some-project")
        require_one_line(outcome, 2, "GOOGLE_APPLICATION_CREDENTIALS")


def test_the_cloud_out_of_reach(bare: dict[str, str], tmp_path: Path) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = tmp_path / "credentials.json"
    account = {
        "type": "service_account",
        "project_id": "some-project",
        "private_key_id": "1",
        "private_key": private.decode(),
        "client_email": "owner@some-project.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    file.write_text(json.dumps(account))
    environment = bare | {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}
    outcome = process(environment, tmp_path, "keys", "list", "--project", "some-project")
    require_one_line(outcome, 6, "Firestore does not answer")


def test_the_suite_does_not_run(bare: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        environment = bare | {"FIRESTORE_EMULATOR_HOST": address, "FIRERTC_PROJECT": "demo-x"}
        for arguments in (["keys", "create", "x", "--json"], ["sweep"]):
            began = time.monotonic()
            outcome = process(environment, tmp_path, *arguments)
            require_one_line(outcome, 6, f"No Firestore emulator answers at {address}")
            assert time.monotonic() - began < 30


def test_ctrl_c_while_nothing_answers(bare: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        environment = bare | {"FIRESTORE_EMULATOR_HOST": address, "FIRERTC_PROJECT": "demo-x"}
        waiting = subprocess.Popen(
            [FIRERTC, "sweep"],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with waiting:
            silent.settimeout(30)
            connection, _ = silent.accept()  # it has begun, so it can be interrupted
            with connection:
                waiting.send_signal(signal.SIGINT)
                out, err = waiting.communicate(timeout=15)
    assert (waiting.returncode, out, err) == (130, "", "firertc: Stopped.\n")


class _Sick(grpc.GenericRpcHandler):
    """Answers every request with the same refusal."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self.code, self.details = code, details

    def service(self, call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        def refuse(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            context.abort(self.code, self.details)
            yield b""

        return grpc.unary_stream_rpc_method_handler(refuse)


@pytest.mark.parametrize(
    ("code", "details", "exit_code", "words"),
    [
        ("PERMISSION_DENIED", "Missing or insufficient permissions.", 5, "roles/datastore.user"),
        ("UNAUTHENTICATED", "Request had invalid credentials.\nSee x.", 5, "does not accept these"),
        ("NOT_FOUND", "The database (default) does not exist.", 2, "no Firestore database"),
        ("RESOURCE_EXHAUSTED", "Quota exceeded.", 1, "quota"),
        ("FAILED_PRECONDITION", "The query requires an index.", 1, "firestore:indexes"),
        ("INVALID_ARGUMENT", "No\x1b such\nthing.", 1, "Firestore refused: No"),
        ("UNAVAILABLE", "metadata from plugin failed with error: x", 5, "does not accept these"),
        ("UNAVAILABLE", "Down.", 6, "No Firestore emulator answers"),
    ],
)
def test_what_refusals_mean(code: str, details: str, exit_code: int, words: str) -> None:
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((_Sick(grpc.StatusCode[code], details),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        config = load_config({"project": "demo-x", "firestore_emulator": f"127.0.0.1:{port}"})
        before = os.environ.get("FIRESTORE_EMULATOR_HOST")
        with pytest.raises(FireRTCError, match=words) as refused, connect(config) as database:
            list_keys(database)
        assert refused.value.exit_code == exit_code
        assert str(refused.value).isprintable()
        assert os.environ.get("FIRESTORE_EMULATOR_HOST") == before
    finally:
        server.stop(None).wait(10)


def test_settings_of_a_file_alone(suite: LocalSuite, bare: dict[str, str], tmp_path: Path) -> None:
    name, database = f"owner-{secrets.token_hex(6)}", f"db-{secrets.token_hex(4)}"
    (tmp_path / "firertc.toml").write_text(
        f'project = "{suite.project}"\nfirestore_emulator = "{suite.addresses.firestore}"\n'
    )
    arguments = ("keys", "create", name, "--json", "--database", database)
    created = process(bare, tmp_path, *arguments)
    assert created.returncode == 0, created.stderr
    key = json.loads(created.stdout)["key"]
    listed = process(bare, tmp_path, "keys", "list", "--json", "--database", database)
    assert [item["key"] for item in json.loads(listed.stdout)] == [key], (
        "another database is another world"
    )
    assert name not in process(bare, tmp_path, "keys", "list").stdout
