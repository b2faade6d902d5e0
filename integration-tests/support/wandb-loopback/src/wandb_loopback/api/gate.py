"""The entrance of the server: each request passes here, is recorded, and may fail."""

import asyncio
import json
from typing import cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from wandb_loopback.api.queries import operation_name
from wandb_loopback.faults import Fault, Faults, Kind
from wandb_loopback.store.journal import Journal


class Protocol(H11Protocol):
    """HTTP as uvicorn speaks it, with the connection at hand, so that it can be cut."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the connection where a request finds it."""
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


class Gate:
    """Passes requests to an application, or makes them fail as ordered.

    Args:
        app: The application.
        journal: Records the requests.
        faults: The active faults.
    """

    def __init__(self, app: ASGIApp, journal: Journal, faults: Faults) -> None:
        self._app = app
        self._journal = journal
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        request = Request(scope, receive)
        if request.url.path.startswith("/_control/"):
            await self._app(scope, receive, send)
            return
        try:
            body = await request.body()
        except ClientDisconnect:
            return  # A client that was killed has no use for an answer.
        kind = _kind(request.url.path)
        operation = operation_name(json.loads(body)) if kind == "graphql" else None
        fault = self._faults.next_for(kind, request.method, operation)
        status: int | None = None
        is_recorded = False

        def record() -> None:
            nonlocal is_recorded
            if not is_recorded:
                is_recorded = True
                self._journal.record_request(
                    kind=kind,
                    method=request.method,
                    path=request.url.path,
                    operation=operation,
                    status=status,
                    fault=fault and fault.action,
                )

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not message.get("more_body"):
                record()  # before the client has its answer: a test may ask for it at once
            if fault is None or fault.action != "lose_reply":
                await send(message)

        try:
            await self._handle(fault, scope, body, receive, noting_send)
        finally:
            record()
            if fault is None and (status is None or status >= 500):
                self._journal.record_gap(f"{request.method} {request.url.path}: broke the server")

    async def _handle(
        self, fault: Fault | None, scope: Scope, body: bytes, receive: Receive, send: Send
    ) -> None:
        action = None if fault is None else fault.action
        app: ASGIApp = self._app
        if fault is not None and action == "status":
            app = PlainTextResponse("told to fail", fault.status)
        if fault is not None and action == "stall":
            await fault.wait()
        if action == "corrupt":
            body = _damage(body)
        if action not in ("drop", "stall"):
            await app(scope, _replay(body, receive), send)
        if action in ("drop", "stall", "lose_reply"):
            cast(asyncio.Transport, scope["state"]["transport"]).abort()


_FILES = ("/files/", "/blobs/", "/manifests/", "/artifactsV2/")


def _kind(path: str) -> Kind:
    if path == "/graphql":
        return "graphql"
    if path.endswith("/file_stream"):
        return "file_stream"
    return "files" if path.startswith(_FILES) else "other"


def _damage(body: bytes) -> bytes:
    return body[:-1] + bytes([body[-1] ^ 1]) if body else body


def _replay(body: bytes, rest: Receive) -> Receive:
    """Give a body that has been read already, and then whatever follows it."""
    pending = [body]

    async def receive() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await rest()

    return receive
