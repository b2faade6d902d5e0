"""The server's endpoints: those that the client uses, and those for tests under `/_control/`."""

import base64
import gzip
import hashlib
import json
import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from wandb_loopback.api.gate import Gate
from wandb_loopback.api.queries import answer
from wandb_loopback.artifacts import commits
from wandb_loopback.artifacts.artifacts import ArtifactManifest
from wandb_loopback.errors import GapError, RefusalError
from wandb_loopback.faults import Fault, Faults
from wandb_loopback.runs import history, run_files
from wandb_loopback.runs.runs import find_run
from wandb_loopback.store.journal import Journal
from wandb_loopback.store.store import Store


def create_app(directory: Path, url: str) -> ASGIApp:
    """Make the application.

    Args:
        directory: Where its state is, or begins.
        url: The address under which clients reach it.
    """
    endpoints = Endpoints(Store(directory, url))
    app = Starlette(
        routes=[
            Route("/graphql", endpoints.graphql, methods=["POST"]),
            Route(
                "/files/{entity}/{project}/{run}/file_stream",
                endpoints.file_stream,
                methods=["POST"],
            ),
            Route("/files/{entity}/{project}/{run}/{name:path}", endpoints.get_run_file),
            Route(
                "/files/{entity}/{project}/{run}/{name:path}",
                endpoints.put_run_file,
                methods=["PUT"],
            ),
            Route("/blobs/{digest}", endpoints.get_blob),
            Route("/blobs/{digest}", endpoints.put_blob, methods=["PUT"]),
            Route("/artifactsV2/{rest:path}/{digest}/{name}", endpoints.get_blob),
            Route("/manifests/{number:int}", endpoints.get_manifest),
            Route("/manifests/{number:int}", endpoints.put_manifest, methods=["PUT"]),
            Route("/_control/state", endpoints.state),
            Route("/_control/faults", endpoints.order_fault, methods=["POST"]),
            Route("/_control/faults", endpoints.heal, methods=["DELETE"]),
            Route("/_control/gaps", endpoints.forget_gaps, methods=["DELETE"]),
        ],
        exception_handlers={
            RefusalError: endpoints.refuse,
            GapError: endpoints.report_gap,
            404: endpoints.report_gap,
            405: endpoints.report_gap,
        },
    )
    return Gate(app, endpoints.journal, endpoints.faults)


class Endpoints:
    """What happens at each endpoint.

    Every one of them is a coroutine that never waits in the middle of its work, so the requests
    of several clients cannot get in each other's way.

    Args:
        store: The state to work on.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.journal = Journal(store)
        self.faults = Faults()

    async def graphql(self, request: Request) -> Response:
        """Answer a query."""
        result = answer(self.store, await request.json())
        for gap in result.gaps:
            self.journal.record_gap(gap)
        return JSONResponse(result.body, result.status)

    async def file_stream(self, request: Request) -> Response:
        """Store what a run streams."""
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        shared = request.headers.get("x-wandb-use-async-filestream") == "true"
        client = request.headers.get("x-wandb-async-client-id", "") if shared else ""
        with self.store.transaction():
            run = find_run(self.store, *_run_path(request))
            history.receive(run, json.loads(body), client)
        return JSONResponse({"exitcode": None, "limits": {}})

    async def get_run_file(self, request: Request) -> Response:
        """Send a file of a run."""
        run = find_run(self.store, *_run_path(request))
        return self._blob(run_files.blob_of(run, request.path_params["name"]))

    async def put_run_file(self, request: Request) -> Response:
        """Store a file of a run."""
        content = await request.body()
        with self.store.transaction():
            run = find_run(self.store, *_run_path(request))
            run_files.save(run, request.path_params["name"], content)
        return Response()

    async def get_blob(self, request: Request) -> Response:
        """Send a file of an artifact."""
        return self._blob(request.path_params["digest"])

    async def put_blob(self, request: Request) -> Response:
        """Store a file of an artifact, if it has the announced digest."""
        content = await request.body()
        digest = hashlib.md5(content).digest()
        promised = request.headers.get("content-md5")
        if digest.hex() != request.path_params["digest"] or (
            promised is not None and base64.b64decode(promised) != digest
        ):
            raise RefusalError("the bytes do not have the digest that was announced", status=400)
        self.store.blobs.add(content)
        return Response()

    async def get_manifest(self, request: Request) -> Response:
        """Send the manifest of an artifact."""
        manifest = self.store.get(ArtifactManifest, request.path_params["number"])
        return self._blob(manifest.blob)

    async def put_manifest(self, request: Request) -> Response:
        """Store the manifest of an artifact."""
        content = await request.body()
        with self.store.transaction():
            manifest = self.store.get(ArtifactManifest, request.path_params["number"])
            commits.receive_manifest(manifest, content)
        return Response()

    def _blob(self, digest: str | None) -> Response:
        if digest is None or self.store.blobs.size(digest) is None:
            raise RefusalError("no such file", status=404)
        return FileResponse(self.store.blobs.path(digest))

    async def state(self, _request: Request) -> Response:
        """Say what the server has seen and stored."""
        return JSONResponse(
            {
                "pid": os.getpid(),
                "requests": self.journal.requests(),
                "gaps": self.journal.gaps(),
                "blobs": self.store.blobs.sizes(),
            }
        )

    async def order_fault(self, request: Request) -> Response:
        """Add a fault."""
        self.faults.order(Fault(**await request.json()))
        return Response()

    async def heal(self, _request: Request) -> Response:
        """End all faults."""
        self.faults.heal()
        return Response()

    async def forget_gaps(self, _request: Request) -> Response:
        """Forget the gaps."""
        self.journal.forget_gaps()
        return Response()

    async def refuse(self, _request: Request, error: Exception) -> Response:
        """Refuse a request."""
        status = error.status if isinstance(error, RefusalError) else 400
        return JSONResponse({"errors": [{"message": str(error)}]}, 400 if status < 400 else status)

    async def report_gap(self, request: Request, error: Exception) -> Response:
        """Refuse what this server lacks, and record it for the test."""
        message = f"{request.method} {request.url.path}: {error}"
        self.journal.record_gap(message)
        return JSONResponse({"errors": [{"message": message}]}, 404)


def _run_path(request: Request) -> tuple[str, str, str]:
    path = request.path_params
    return path["entity"], path["project"], path["run"]
