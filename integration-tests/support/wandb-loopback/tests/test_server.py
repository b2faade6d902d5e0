"""The server itself: it answers what its schema promises, and admits what it cannot do."""

import subprocess
import sysconfig
from pathlib import Path

import httpx
import pytest
import wandb
from graphql import GraphQLObjectType

from wandb_loopback import WandbServer
from wandb_loopback.api.queries import SCHEMA
from wandb_loopback.artifacts import artifacts, sequences
from wandb_loopback.errors import RefusalError
from wandb_loopback.graphql import connections
from wandb_loopback.graphql.fields import has_answer
from wandb_loopback.runs import projects, run_files, runs
from wandb_loopback.store.store import Blobs

pytestmark = pytest.mark.backend_free

pytest_plugins = ["pytester"]

MODULES = (artifacts, connections, projects, run_files, runs, sequences)
PLAIN = {"Organization", "UploadMultipartUrls", "UploadUrlPart", "ApiKey"}
"""Types of which this server never gives out an object."""


def answering_class(kind: str) -> type | None:
    if kind.endswith("Connection"):
        return connections.Connection
    if kind.endswith("Edge"):
        return connections.Edge
    return next((vars(module)[kind] for module in MODULES if kind in vars(module)), None)


def fields_without_an_answer() -> list[str]:
    return [
        f"{kind.name}.{name}"
        for kind in SCHEMA.type_map.values()
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__")
        for name in kind.fields
        if not has_answer(kind.name, answering_class(kind.name), name)
    ]


def test_every_field_of_the_schema_has_an_answer():
    unanswered = [
        name for name in fields_without_an_answer() if name.partition(".")[0] not in PLAIN
    ]
    # The answers to mutations, and a few other small ones, are dictionaries made on the spot.
    made_on_the_spot = ("Payload", "Success", "ParquetHistory", "ClientIDMapping")
    assert [
        name for name in unanswered if not name.partition(".")[0].endswith(made_on_the_spot)
    ] == []


def ask(server: WandbServer, query: str) -> httpx.Response:
    return httpx.post(f"{server.url}/graphql", json={"query": query}, trust_env=False)


def test_an_unknown_field_is_an_error_with_the_name_of_the_query(wandb_server: WandbServer):
    response = ask(wandb_server, "query Curious { viewer { id shoeSize } }")
    assert response.status_code == 400
    assert "shoeSize" in response.json()["errors"][0]["message"]
    (gap,) = wandb_server.gaps()
    assert gap.startswith("Curious: ")
    assert "shoeSize" in gap
    wandb_server.forget_gaps()


def test_an_unknown_endpoint_is_an_error(wandb_server: WandbServer):
    assert httpx.get(f"{wandb_server.url}/oidc/config", trust_env=False).status_code == 404
    (gap,) = wandb_server.gaps()
    assert gap.startswith("GET /oidc/config")
    wandb_server.forget_gaps()


def test_what_the_client_can_and_the_server_cannot_is_noticed(wandb_server: WandbServer):
    with pytest.raises((wandb.errors.CommError, ValueError)):
        wandb.Api().sweep("p/absent")
    assert any(gap.startswith("GetSweep") for gap in wandb_server.gaps())
    wandb_server.forget_gaps()


def test_a_gap_fails_the_test_that_ran_into_it(
    pytester: pytest.Pytester,
):
    pytester.makepyfile(
        """
        import httpx

        def test_asks_too_much(wandb_server):
            query = {"query": "query Curious { viewer { shoeSize } }"}
            httpx.post(f"{wandb_server.url}/graphql", json=query, trust_env=False)
        """
    )
    # In this process it would take the modules with it that it is the first to import.
    result = pytester.runpytest_subprocess("-p", "no:xdist", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*Curious: *shoeSize*"])


def test_a_refusal_is_no_gap(wandb_server: WandbServer):
    response = ask(wandb_server, 'mutation M { deleteRun(input: {id: "UnVuOjE="}) { success } }')
    assert response.status_code == 404
    assert wandb_server.gaps() == []


def test_bytes_without_their_digest_are_refused(wandb_server: WandbServer):
    response = httpx.put(
        f"{wandb_server.url}/blobs/{'0' * 32}", content=b"something", trust_env=False
    )
    assert response.status_code == 400
    assert wandb_server.stored_bytes() == 0


@pytest.mark.parametrize("name", ["../escape", "%2e%2e/escape", "/etc/escape", "..%2f..%2fescape"])
def test_no_file_name_leaves_the_state_directory(
    wandb_server: WandbServer, tmp_path: Path, name: str
):
    with wandb.init(project="p") as run:
        pass
    before = {path for path in tmp_path.rglob("*") if "blobs" not in path.parts}
    url = f"{wandb_server.url}/files/{run.entity}/p/{run.id}/x/{name}"
    httpx.put(url, content=b"?", trust_env=False)
    after = {path for path in tmp_path.rglob("*") if "blobs" not in path.parts}
    assert after == before
    wandb_server.forget_gaps()


@pytest.mark.parametrize("digest", ["../../x", "0" * 31, "0" * 31 + "/"])
def test_only_a_digest_names_a_blob(tmp_path: Path, digest: str):
    with pytest.raises(RefusalError):
        Blobs(tmp_path).path(digest)


def test_one_command_starts_it_and_says_how_to_use_it(tmp_path: Path):
    process = subprocess.Popen(
        [Path(sysconfig.get_path("scripts"), "wandb-loopback"), "--state", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("# A W&B server")
        assert process.stdout.readline().startswith("export WANDB_BASE_URL=http://127.0.0.1:")
        process.terminate()
