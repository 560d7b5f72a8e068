"""Confluent's schema-registry REST interface over the store: subjects, versions, ids, compatibility, config, mode.

Not there: deleting, references between subjects, contexts and other schema types than Avro.
"""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from ops.registry.store import Registered, RegistryError, RegistryStore
from schemas.compatibility import not_avro
from schemas.errors import ConfigurationError

_STORE = web.AppKey("store", RegistryStore)
_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
_MAX_BODY_BYTES = 1_048_576
_routes = web.RouteTableDef()


@dataclass(frozen=True, slots=True)
class RunningRegistry:
    """A registry that answers at ``url`` (no trailing slash) until :meth:`close`."""

    url: str
    _runner: web.AppRunner

    async def close(self) -> None:
        """Stop answering; what was registered stays in the data directory."""
        await self._runner.cleanup()


async def start_registry(data_dir: Path, host: str = "127.0.0.1", port: int = 0) -> RunningRegistry:
    """Serve the published schemas at ``host:port`` (0: a free one), keeping run-time registrations in ``data_dir``.

    Raises :class:`ConfigurationError` when the port is taken or the data directory is damaged.
    """
    application = web.Application(middlewares=[_errors_as_json], client_max_size=_MAX_BODY_BYTES)
    application[_STORE] = RegistryStore(data_dir)
    application.add_routes(_routes)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        why = "is taken: stop what listens there or choose another port" if error.errno == errno.EADDRINUSE else error
        raise ConfigurationError(f"schema registry: {host}:{port} {why}") from error
    bound = runner.addresses[0][1]
    shown = f"[{host}]" if ":" in host else host
    return RunningRegistry(f"http://{shown}:{bound}", runner)


def _answer(body: Any, status: int = 200) -> web.Response:
    return web.json_response(body, status=status, content_type=_CONTENT_TYPE)


@web.middleware
async def _errors_as_json(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        response: web.StreamResponse = await handler(request)
    except RegistryError as error:
        return _answer({"error_code": error.code, "message": error.message}, error.status)
    except web.HTTPException as error:
        return _answer({"error_code": error.status, "message": f"HTTP {error.status} {error.reason}"}, error.status)
    return response


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError as error:
        raise RegistryError(400, 400, f"The body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise RegistryError(400, 400, "The body must be a JSON object")
    return body


async def _schema(request: web.Request) -> Any:
    body = await _body(request)
    if body.get("schemaType", "AVRO") not in ("AVRO", None):
        raise RegistryError(422, 42201, f"Invalid schema type {body['schemaType']}: this registry holds AVRO only")
    if body.get("references"):
        raise RegistryError(422, 42201, "References are not supported: send the schema with its types inlined")
    try:
        schema = json.loads(body["schema"])
    except (KeyError, TypeError, ValueError) as error:
        raise RegistryError(422, 42201, f"Invalid schema: 'schema' must hold JSON text ({error})") from error
    invalid = not_avro(schema)
    if invalid is not None:
        raise RegistryError(422, 42201, f"Invalid schema: {invalid}")
    return schema


def _described(entry: Registered) -> dict[str, Any]:
    return {
        "subject": entry.subject,
        "version": entry.version,
        "id": entry.id,
        "schema": json.dumps(entry.schema, ensure_ascii=False),
    }


def _page(request: web.Request, items: list[Any]) -> list[Any]:
    try:
        offset, limit = int(request.query.get("offset", 0)), int(request.query.get("limit", -1))
    except ValueError as error:
        raise RegistryError(400, 400, "offset and limit must be integers") from error
    return items[offset:] if limit < 0 else items[offset : offset + limit]


def _id(request: web.Request) -> int:
    return int(request.match_info["id"])


@_routes.get("/")
async def _root(_: web.Request) -> web.Response:
    return _answer({})


@_routes.get("/subjects")
async def _subjects(request: web.Request) -> web.Response:
    prefix = request.query.get("subjectPrefix", "")
    return _answer(_page(request, [name for name in request.app[_STORE].subjects if name.startswith(prefix)]))


@_routes.get("/subjects/{subject}/versions")
async def _versions(request: web.Request) -> web.Response:
    entries = request.app[_STORE].versions(request.match_info["subject"])
    return _answer(_page(request, [entry.version for entry in entries]))


@_routes.get("/subjects/{subject}/versions/{version}")
async def _version(request: web.Request) -> web.Response:
    entry = request.app[_STORE].version(request.match_info["subject"], request.match_info["version"])
    return _answer(_described(entry))


@_routes.get("/subjects/{subject}/versions/{version}/schema")
async def _version_schema(request: web.Request) -> web.Response:
    entry = request.app[_STORE].version(request.match_info["subject"], request.match_info["version"])
    return _answer(entry.schema)


@_routes.post("/subjects/{subject}/versions")
async def _register(request: web.Request) -> web.Response:
    entry = request.app[_STORE].register(request.match_info["subject"], await _schema(request))
    return _answer({"id": entry.id})


@_routes.post("/subjects/{subject}")
async def _look_up(request: web.Request) -> web.Response:
    entry = request.app[_STORE].find(request.match_info["subject"], await _schema(request))
    return _answer(_described(entry))


@_routes.get("/schemas/types")
async def _types(_: web.Request) -> web.Response:
    return _answer(["AVRO"])


@_routes.get(r"/schemas/ids/{id:\d+}")
async def _by_id(request: web.Request) -> web.Response:
    return _answer({"schema": json.dumps(request.app[_STORE].by_id(_id(request)), ensure_ascii=False)})


@_routes.get(r"/schemas/ids/{id:\d+}/subjects")
async def _subjects_by_id(request: web.Request) -> web.Response:
    return _answer(_page(request, [entry.subject for entry in request.app[_STORE].using(_id(request))]))


@_routes.get(r"/schemas/ids/{id:\d+}/versions")
async def _versions_by_id(request: web.Request) -> web.Response:
    entries = request.app[_STORE].using(_id(request))
    return _answer(_page(request, [{"subject": entry.subject, "version": entry.version} for entry in entries]))


@_routes.post("/compatibility/subjects/{subject}/versions")
@_routes.post("/compatibility/subjects/{subject}/versions/{version}")
async def _compatibility(request: web.Request) -> web.Response:
    schema = await _schema(request)
    problems = request.app[_STORE].problems(request.match_info["subject"], schema, request.match_info.get("version"))
    answer: dict[str, Any] = {"is_compatible": not problems}
    if request.query.get("verbose", "").lower() == "true":
        answer["messages"] = problems
    return _answer(answer)


@_routes.get("/config")
async def _level(request: web.Request) -> web.Response:
    return _answer({"compatibilityLevel": request.app[_STORE].level()})


@_routes.get("/config/{subject}")
async def _subject_level(request: web.Request) -> web.Response:
    store, subject = request.app[_STORE], request.match_info["subject"]
    falls_back = request.query.get("defaultToGlobal", "").lower() == "true"
    return _answer({"compatibilityLevel": store.level(subject) if falls_back else store.own_level(subject)})


@_routes.put("/config")
@_routes.put("/config/{subject}")
async def _set_level(request: web.Request) -> web.Response:
    wanted = str((await _body(request)).get("compatibility", ""))
    level = request.app[_STORE].set_level(wanted.upper(), request.match_info.get("subject", ""))
    return _answer({"compatibility": level})


@_routes.get("/mode")
@_routes.get("/mode/{subject}")
async def _mode(_: web.Request) -> web.Response:
    return _answer({"mode": "READWRITE"})
