"""The embedded registry, asked by Confluent's own client; and the codec resolved through it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from aiohttp import web
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from typer.testing import CliRunner

from ops.cli_schemas import app
from ops.contracts import register_published, resolve_codec
from ops.registry import RunningRegistry, start_registry
from schemas.catalogue import record_names, resolve
from schemas.errors import ConfigurationError, Unavailable, Undecodable
from schemas.events import ClockTick
from schemas.history import published, schema_id, subject_of

T = TypeVar("T")
ORDER = subject_of("OrderPlaced")
PERSON: dict[str, Any] = {
    "type": "record",
    "name": "Person",
    "namespace": "other",
    "fields": [{"name": "a", "type": "int"}],
}
WIDER = PERSON | {"fields": [*PERSON["fields"], {"name": "b", "type": "int", "default": 0}]}
BROKEN = PERSON | {"fields": [*PERSON["fields"], {"name": "b", "type": "int"}]}


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[RunningRegistry]:
    running = await start_registry(tmp_path / "registry")
    yield running
    await running.close()


def _client(registry: RunningRegistry) -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": registry.url, "max.retries": 0})


async def _ask(question: Callable[[], T]) -> T:
    """The client is synchronous, and the server runs in this loop."""
    return await asyncio.to_thread(question)


def _avro(schema: Any) -> Schema:
    return Schema(json.dumps(schema), "AVRO")


async def _refused(question: Callable[[], Any]) -> tuple[int, int]:
    with pytest.raises(SchemaRegistryError) as caught:
        await _ask(question)
    assert caught.value.error_message
    return caught.value.http_status_code, caught.value.error_code


async def test_every_published_version_is_there_without_registering(registry: RunningRegistry) -> None:
    client = _client(registry)
    assert await _ask(client.get_subjects) == sorted(subject_of(name) for name in record_names())
    for name in record_names():
        for number, schema in enumerate(published(name), start=1):
            found = await _ask(lambda n=name, v=number: client.get_version(subject_of(n), v))  # type: ignore[misc]
            assert (found.version, found.schema_id) == (number, schema_id(schema))
            assert json.loads(str(found.schema.schema_str)) == schema
    latest = await _ask(lambda: client.get_latest_version(ORDER))
    assert json.loads(str(latest.schema.schema_str)) == resolve("OrderPlaced")


async def test_looking_up_and_registering_the_same_schema_give_the_same_id(registry: RunningRegistry) -> None:
    client, schema = _client(registry), _avro(resolve("OrderPlaced"))
    looked_up = await _ask(lambda: client.lookup_schema(ORDER, schema))
    assert await _ask(lambda: client.register_schema(ORDER, schema)) == looked_up.schema_id
    assert await _ask(lambda: client.get_versions(ORDER)) == [1]
    other_client = _client(registry)
    fetched = await _ask(lambda: other_client.get_schema(looked_up.schema_id or 0))
    assert json.loads(str(fetched.schema_str)) == resolve("OrderPlaced")


async def test_key_order_and_white_space_make_no_other_schema(registry: RunningRegistry) -> None:
    client = _client(registry)
    text = json.dumps(dict(reversed(resolve("ClockTick").items())), indent=7)
    found = await _ask(lambda: client.lookup_schema(subject_of("ClockTick"), Schema(text, "AVRO")))
    assert found.schema_id == schema_id(resolve("ClockTick"))


async def test_a_compatible_schema_becomes_the_next_version_and_survives_a_restart(tmp_path: Path) -> None:
    first = await start_registry(tmp_path)
    client = _client(first)
    newer = resolve("OrderPlaced")
    newer = newer | {
        "fields": [*newer["fields"], {"name": "gift", "type": "boolean", "default": False, "doc": "Gift."}]
    }
    identifier = await _ask(lambda: client.register_schema(ORDER, _avro(newer)))
    person = await _ask(lambda: client.register_schema("other.Person", _avro(PERSON)))
    await _ask(lambda: client.set_compatibility("other.Person", "NONE"))
    await first.close()
    again = await start_registry(tmp_path)
    client = _client(again)
    assert await _ask(lambda: client.get_versions(ORDER)) == [1, 2]
    assert (await _ask(lambda: client.get_latest_version(ORDER))).schema_id == identifier
    assert (await _ask(lambda: client.lookup_schema("other.Person", _avro(PERSON)))).schema_id == person
    assert await _ask(lambda: client.get_compatibility("other.Person")) == "NONE"
    await again.close()


async def test_ids_do_not_depend_on_the_order_of_registration(tmp_path: Path) -> None:
    async def registered(folder: str, schemas: list[dict[str, Any]]) -> list[int]:
        running = await start_registry(tmp_path / folder)
        client = _client(running)
        ids = [await _ask(lambda s=schema: client.register_schema("other.Person", _avro(s))) for schema in schemas]  # type: ignore[misc]
        await running.close()
        return ids

    assert await registered("a", [PERSON, WIDER]) == (await registered("b", [WIDER, PERSON]))[::-1]


async def test_an_incompatible_schema_is_refused_with_the_reason(registry: RunningRegistry) -> None:
    client = _client(registry)
    await _ask(lambda: client.register_schema("other.Person", _avro(PERSON)))
    assert not await _ask(lambda: client.test_compatibility("other.Person", _avro(BROKEN)))
    assert not await _ask(lambda: client.test_compatibility_all_versions("other.Person", _avro(BROKEN)))
    assert await _ask(lambda: client.test_compatibility("other.Person", _avro(WIDER), version=1))
    with pytest.raises(SchemaRegistryError, match=r"Person\.avsc: b: the field is new and has no default") as caught:
        await _ask(lambda: client.register_schema("other.Person", _avro(BROKEN)))
    assert (caught.value.http_status_code, caught.value.error_code) == (409, 409)
    assert await _ask(lambda: client.get_versions("other.Person")) == [1]


async def test_a_changed_time_type_is_refused_though_avro_would_read_it(registry: RunningRegistry) -> None:
    client, changed = _client(registry), resolve("ClockTick")
    changed = changed | {"fields": [changed["fields"][0] | {"type": "long"}]}
    assert not await _ask(lambda: client.test_compatibility(subject_of("ClockTick"), _avro(changed)))


@pytest.mark.parametrize(
    ("level", "wider", "narrower"),
    [("NONE", True, True), ("BACKWARD", False, True), ("FORWARD", True, False), ("FULL_TRANSITIVE", False, False)],
)
async def test_each_level_refuses_its_direction(
    registry: RunningRegistry, level: str, wider: bool, narrower: bool
) -> None:
    client = _client(registry)
    await _ask(lambda: client.register_schema("other.Person", _avro(PERSON)))
    await _ask(lambda: client.set_compatibility("other.Person", level))
    assert await _ask(lambda: client.get_compatibility("other.Person")) == level
    assert await _ask(lambda: client.test_compatibility("other.Person", _avro(BROKEN))) is wider
    nothing = PERSON | {"fields": []}
    assert await _ask(lambda: client.test_compatibility("other.Person", _avro(nothing))) is narrower


async def test_what_is_not_there_has_confluents_error_codes(registry: RunningRegistry) -> None:
    client = _client(registry)
    assert await _refused(lambda: client.get_versions("nobody")) == (404, 40401)
    assert await _refused(lambda: client.get_latest_version("nobody")) == (404, 40401)
    assert await _refused(lambda: client.lookup_schema("nobody", _avro(PERSON))) == (404, 40401)
    assert await _refused(lambda: client.get_version(ORDER, 99)) == (404, 40402)
    assert await _refused(lambda: client.get_version(ORDER, "first")) == (422, 42202)  # type: ignore[arg-type]
    assert await _refused(lambda: client.get_version(ORDER, 0)) == (422, 42202)
    assert await _refused(lambda: client.lookup_schema(ORDER, _avro(PERSON))) == (404, 40403)
    assert await _refused(lambda: client.get_schema(1)) == (404, 40403)
    assert await _refused(lambda: client.get_compatibility(ORDER)) == (404, 40408)
    assert await _refused(lambda: client.set_compatibility(ORDER, "SOMETIMES")) == (422, 42203)


@pytest.mark.parametrize(
    "schema",
    [
        Schema("{", "AVRO"),
        Schema('{"type": "record"}', "AVRO"),
        Schema('{"type": "recrod", "name": "A"}', "AVRO"),
        Schema("3", "AVRO"),
        Schema("{}", "PROTOBUF"),
    ],
)
async def test_what_is_no_avro_schema_is_unprocessable(registry: RunningRegistry, schema: Schema) -> None:
    client = _client(registry)
    assert await _refused(lambda: client.register_schema("other.Person", schema)) == (422, 42201)


async def test_config_and_mode_of_the_whole_registry(registry: RunningRegistry) -> None:
    client = _client(registry)
    assert await _ask(client.get_compatibility) == "FULL_TRANSITIVE"
    await _ask(lambda: client.set_compatibility(level="BACKWARD"))
    assert await _ask(client.get_compatibility) == "BACKWARD"
    assert await _ask(client.get_global_mode) == "READWRITE"
    assert await _ask(client.get_schema_types) == ["AVRO"]
    tick = schema_id(resolve("ClockTick"))
    assert await _ask(lambda: client.get_subjects_by_schema_id(tick)) == ["tsunagi.ClockTick"]
    (version,) = await _ask(lambda: client.get_schema_versions(tick))
    assert (version.subject, version.version) == ("tsunagi.ClockTick", 1)


async def test_malformed_requests_are_answered_as_json(registry: RunningRegistry) -> None:
    async with aiohttp.ClientSession() as http:
        for method, path, body, status in [
            ("POST", f"/subjects/{ORDER}", b"{", 400),
            ("POST", f"/subjects/{ORDER}", b"[]", 400),
            ("POST", f"/subjects/{ORDER}", b"{}", 422),
            ("GET", "/subjects?offset=x", None, 400),
            ("GET", "/nothing", None, 404),
            ("DELETE", f"/subjects/{ORDER}", None, 405),
        ]:
            async with http.request(method, registry.url + path, data=body) as response:
                assert response.status == status, path
                assert set(await response.json(content_type=None)) == {"error_code", "message"}


async def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "registered.json").write_text('{"levels": {}')
    with pytest.raises(ConfigurationError, match=r"registered\.json is damaged.*delete it"):
        await start_registry(tmp_path)


async def test_a_registration_that_cannot_be_written_is_not_made(tmp_path: Path) -> None:
    running = await start_registry(tmp_path)
    client = _client(running)
    (tmp_path / "registered.partial").mkdir()
    assert await _refused(lambda: client.register_schema("other.Person", _avro(PERSON))) == (500, 50001)
    assert await _refused(lambda: client.get_versions("other.Person")) == (404, 40401)
    await running.close()


async def test_a_taken_port_is_said(registry: RunningRegistry, tmp_path: Path) -> None:
    port = int(registry.url.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port} is taken"):
        await start_registry(tmp_path / "other", port=port)


async def test_the_codec_has_the_registrys_ids(registry: RunningRegistry) -> None:
    codec = await _ask(lambda: resolve_codec(registry.url))
    data = codec.encode(ClockTick(up_to=7))
    assert int.from_bytes(data[1:5], "big") == schema_id(resolve("ClockTick"))
    assert codec.decode(data) == ClockTick(up_to=7)


async def test_the_codec_fetches_writer_schemas_it_does_not_know(registry: RunningRegistry) -> None:
    older = resolve("ClockTick") | {"doc": "As it was described once."}
    client = _client(registry)
    identifier = await _ask(lambda: client.register_schema(subject_of("ClockTick"), _avro(older)))
    codec = await _ask(lambda: resolve_codec(registry.url))
    data = b"\x00" + identifier.to_bytes(4, "big") + b"\x0e"
    assert await _ask(lambda: codec.decode(data)) == ClockTick(up_to=7)
    with pytest.raises(Undecodable, match="schema id 5 is not in the registry"):
        await _ask(lambda: codec.decode(b"\x00\x00\x00\x00\x05\x0e"))
    await registry.close()
    with pytest.raises(Unavailable, match="no schema registry answers"):
        await _ask(lambda: codec.decode(b"\x00\x00\x00\x00\x06\x0e"))
    assert codec.decode(data) == ClockTick(up_to=7)


class _EmptyRegistry:
    """A foreign registry with running numbers as ids and nothing in it, as a new Confluent or Karapace has."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.levels: dict[str, str] = {}

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/subjects/{subject}/versions", self.register)
        application.router.add_post("/subjects/{subject}", self.look_up)
        application.router.add_put("/config/{subject}", self.level)
        return application

    async def register(self, request: web.Request) -> web.Response:
        text = (await request.json())["schema"]
        return web.json_response({"id": self.ids.setdefault(text, len(self.ids) + 100)})

    async def look_up(self, request: web.Request) -> web.Response:
        text = (await request.json())["schema"]
        if text not in self.ids:
            return web.json_response({"error_code": 40401, "message": "Subject not found."}, status=404)
        subject = request.match_info["subject"]
        return web.json_response({"subject": subject, "id": self.ids[text], "version": 1, "schema": text})

    async def level(self, request: web.Request) -> web.Response:
        self.levels[request.match_info["subject"]] = (await request.json())["compatibility"]
        return web.json_response({"compatibility": "FULL_TRANSITIVE"})


async def _serve(application: web.Application) -> tuple[str, web.AppRunner]:
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}", runner


async def test_an_empty_registry_is_told_then_filled_then_used() -> None:
    foreign = _EmptyRegistry()
    url, runner = await _serve(foreign.application())
    with pytest.raises(
        ConfigurationError, match=rf"\({len(record_names())} of .*tsunagi schemas publish --registry {url}"
    ):
        await _ask(lambda: resolve_codec(url))
    done = await _ask(lambda: register_published(url))
    assert {entry.subject for entry in done if entry.id} == {subject_of(name) for name in record_names()}
    assert set(foreign.levels.values()) == {"FULL_TRANSITIVE"}
    codec = await _ask(lambda: resolve_codec(url))
    assert codec.decode(codec.encode(ClockTick(up_to=1))) == ClockTick(up_to=1)
    assert int.from_bytes(codec.encode(ClockTick(up_to=1))[1:5], "big") >= 100
    await runner.cleanup()


async def test_the_command_registers_and_says_what_was_refused(registry: RunningRegistry) -> None:
    arguments = ["publish", "--registry", registry.url, "--json"]
    done = await _ask(lambda: CliRunner().invoke(app, arguments))
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["registered"]) == sum(len(published(name)) for name in record_names())

    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"error_code": 409, "message": "incompatible with an earlier schema"}, status=409)

    foreign = web.Application()
    foreign.router.add_post("/subjects/{subject}/versions", refuse)
    foreign.router.add_put("/config/{subject}", _EmptyRegistry().level)
    url, runner = await _serve(foreign)
    refused = await _ask(lambda: CliRunner().invoke(app, ["publish", "--registry", url]))
    assert refused.exit_code == 1
    assert f"refused   {ORDER} version 1: incompatible with an earlier schema" in refused.stdout
    await runner.cleanup()
    away = await _ask(lambda: CliRunner().invoke(app, ["publish", "--registry", url, "--json"]))
    assert away.exit_code == 1
    assert json.loads(away.stdout)["error"] == "Unavailable"


async def test_credentials_refused_and_credentials_in_the_address_stay_out_of_messages() -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"error_code": 401, "message": "Unauthorized"}, status=401)

    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", refuse)
    url, runner = await _serve(application)
    secret = url.replace("http://", "http://me:hush@")
    with pytest.raises(ConfigurationError, match="refused the credentials") as caught:
        await _ask(lambda: resolve_codec(secret))
    assert "hush" not in str(caught.value)
    await runner.cleanup()


def test_a_registry_that_is_away_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unavailable, match=f"no schema registry answers at {url}"):
            resolve_codec(url)


@pytest.mark.parametrize("address", ["", "localhost:8081", "ftp://a", "http://"])
def test_an_address_that_is_none_is_the_operators_to_mend(address: str) -> None:
    with pytest.raises(ConfigurationError, match="http://HOST:PORT"):
        resolve_codec(address)
