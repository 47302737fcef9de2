"""The application: lists by HTTP, health and counters.

``POST /v1/top`` with ``{"history": [raw ids, oldest first], "k": 10, "protocol": "masked"}`` gives
the lists of all models, or of those that ``models`` names. With a store of events ``{"user": id}``
stands in the place of a history. ``GET /health`` says what is loaded, ``GET /metrics`` counts for
Prometheus. With a log, ``POST /v1/replay`` with ``{"rate": 20}`` plays
its test events, ``POST /v1/pace`` changes how fast, and ``GET /v1/stream`` sends what comes of it.
``GET /`` is a page that shows all this; it asks too for ``/v1/about``, ``/v1/items``,
``/v1/search`` and ``/v1/attention`` (:mod:`seqrec_lib.serving.showing`). An error is
``{"error": "in words"}``; no history that is asked about is kept or logged.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from time import perf_counter
from typing import Any

from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from seqrec_lib.data.files import DiskError
from seqrec_lib.data.hybrid.online import StoreError
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.splits import Split
from seqrec_lib.serving.asking import Asked, Refused, read
from seqrec_lib.serving.batching import Batcher, Closed, Overloaded
from seqrec_lib.serving.events import KnownEvents, Reading
from seqrec_lib.serving.events import answer as answer_of
from seqrec_lib.serving.guard import LOOPBACK, Guard
from seqrec_lib.serving.items import Items
from seqrec_lib.serving.kept import Kept
from seqrec_lib.serving.live import Live, Paced, Stream, Wanted
from seqrec_lib.serving.pages import Page
from seqrec_lib.serving.questions import unheard
from seqrec_lib.serving.room import Room
from seqrec_lib.serving.served import Answer, Question, Served
from seqrec_lib.serving.showing import Looked, Named, Showing, Sought
from seqrec_lib.serving.telemetry import Telemetry

logger = logging.getLogger(__name__)


ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


class Finite(Response):
    """JSON in which every number is one: minus infinity is none that browsers read."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        found = to_json(content, inf_nan_mode="constants")
        if b"NaN" in found or b"Infinity" in found:  # as a word of a text, or as no number
            return ENCODER.encode(content).encode()
        return found


def create_app(
    models: Sequence[Served],
    hosts: Sequence[str] = LOOPBACK,
    limit: int = 32,
    waiting: int = 256,
    body_seconds: float = 10.0,
    replayed: tuple[EventLog, Split] | None = None,
    items: Items | None = None,
    dataset: str = "",
    kept: Kept | None = None,
    known: KnownEvents | None = None,
) -> Starlette:
    """The application for ``models``, which answers by the names ``hosts`` alone.

    ``limit`` and ``waiting`` are those of ``batching.Batcher``; a question
    must arrive within ``body_seconds``; ``replayed`` is the log whose test part can be played,
    ``dataset`` what a page calls it, and ``items`` what is known of its items; with ``kept`` a
    replay goes on where a killed server was. With ``known`` a question may name a user in the place
    of a history; models that read more than items are asked in no other way, but by the replay of a
    log whose stores they read.
    Raises ``ValueError`` for no model, for two of one name, for one that nobody could ask, and for
    a ``kept`` replay of other models.
    """
    names = [one.name for one in models]
    if not names or len(set(names)) < len(names):
        words = "name a model file, and rename a file whose name another one has"
        raise ValueError(f"models are {', '.join(names) or 'none'}; {words}")
    batchers = {one.name: Batcher(one, limit, waiting) for one in models}
    by_items = {name: one for name, one in batchers.items() if not one.served.model.reads}
    shown = by_items
    if replayed:
        unplayed = {one.name: unheard(replayed[0], one) for one in models}
        shown = {name: one for name, one in batchers.items() if not unplayed[name]}
        if not shown:
            raise ValueError(next(iter(unplayed.values())))
    for one in models:
        if known is not None:
            known.require(one)
        elif one.name not in shown:
            one.require_items_alone()
    reading = Reading(known, waiting) if known else None
    telemetry = Telemetry(batchers)
    live = Live(shown, *replayed, kept=kept) if replayed else None
    showing = Showing(shown, items or Items(models[0].items), dataset, live is not None, waiting)
    page = Page()

    def full() -> bool:
        return all(one.full for one in batchers.values())

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for batcher in batchers.values():
                await stack.enter_async_context(batcher)
            if reading:
                await stack.enter_async_context(reading)
            await stack.enter_async_context(showing.seeking)
            ticking = asyncio.create_task(live.ticking()) if live else None
            if live:
                live.go_on()
            yield
            if live and ticking:
                ticking.cancel()
                await live.end()

    async def top(request: Request) -> Response:
        begun = perf_counter()
        asked = await read(request, Asked, body_seconds)
        chosen = list(dict.fromkeys(asked.models or (by_items if asked.user is None else names)))
        if strange := [name for name in chosen if name not in batchers]:
            raise Refused(404, f"no model is called {strange[0]!r}; there are {', '.join(names)}")
        told: dict[str, Any] = {"k": asked.k, "protocol": asked.protocol}
        ms: dict[str, float] = {}
        if asked.user is None:
            if more := [name for name in chosen if name not in by_items]:
                raise Refused(422, f"{more[0]} reads more of an event than its item: name a user")
            question = Question(asked.history or [], asked.k, (asked.protocol,))
            answers = await _all([batchers[name].ask(question) for name in chosen])
        else:
            read_from = perf_counter()
            past = await _store(reading).of(asked.user)
            ms["store"] = (perf_counter() - read_from) * 1000
            told["known"] = {"events": len(past.table), "segment": past.seq, "at": past.at}
            answers = await _all(
                [
                    one.answer(partial(answer_of, one.served, past, asked.k, (asked.protocol,)))
                    for one in map(batchers.__getitem__, chosen)
                ]
            )
        for answer in answers:
            telemetry.answered(answer)
        found = {one.model: _as_json(one, asked.protocol) for one in answers}
        ms["total"] = (perf_counter() - begun) * 1000
        return Finite(told | {"models": found, "ms": ms})

    async def health(_: Request) -> Response:
        about = {
            name: {
                "digest": one.served.digest,
                "kind": type(one.served.model).__name__,
                "items": len(one.served.items),
                "reads": one.served.length,
                "waiting": len(one),
                "working": one.working,
            }
            for name, one in batchers.items()
        }
        works = all(one.working for one in batchers.values())
        status = {"status": "ok" if works else "a model has stopped", "models": about}
        return Finite(status, 200 if works else 503)

    async def metrics(_: Request) -> Response:
        return Response(telemetry.text(), media_type="text/plain; version=0.0.4")

    async def replay(request: Request) -> Response:
        return Finite(await _there(live).change(await read(request, Wanted, body_seconds)))

    async def stream(_: Request) -> Response:
        return Stream(_there(live))

    async def pace(request: Request) -> Response:
        return Finite(_there(live).steer(await read(request, Paced, body_seconds)))

    async def about(_: Request) -> Response:
        return Finite(showing.about())

    async def named(request: Request) -> Response:
        return Finite(showing.names(await read(request, Named, body_seconds)))

    async def search(request: Request) -> Response:
        return Finite(await showing.search(await read(request, Sought, body_seconds)))

    async def looked(request: Request) -> Response:
        return Finite(await showing.attention(await read(request, Looked, body_seconds)))

    routes = {"/v1/top": (top, "POST"), "/health": (health, "GET"), "/metrics": (metrics, "GET")}
    routes |= {"/v1/replay": (replay, "POST"), "/v1/stream": (stream, "GET")}
    routes |= {"/v1/pace": (pace, "POST"), "/v1/attention": (looked, "POST")}
    routes |= {"/v1/items": (named, "POST"), "/v1/search": (search, "POST")}
    routes |= {"/": (page.root, "GET"), "/page/{name}": (page.part, "GET")}
    routes |= {"/v1/about": (about, "GET")}
    app = Starlette(
        routes=[
            Route(path, _counted(path, answer, telemetry), methods=[method])
            for path, (answer, method) in routes.items()
        ],
        middleware=[
            Middleware(Guard, hosts=hosts),
            Middleware(Room, path="/v1/top", full=full, told=telemetry.told),
        ],
        exception_handlers={HTTPException: _http_error},  # type: ignore[dict-item]
        lifespan=lifespan,
    )
    app.state.batchers, app.state.live = batchers, live
    return app


def _store(reading: Reading | None) -> Reading:
    if reading is None:
        raise Refused(404, "there is no store to read users from; start the server with --store")
    return reading


def _there(live: Live | None) -> Live:
    if live is None:
        raise Refused(404, "there is no log to play; start the server with --dataset")
    return live


Endpoint = Callable[[Request], Awaitable[Response]]


def _counted(path: str, answer: Endpoint, telemetry: Telemetry) -> Endpoint:
    """``answer`` with its errors in words, counted."""

    async def counted(request: Request) -> Response:
        try:
            response = await answer(request)
        except Refused as error:
            response = _error(error.status, str(error))
        except (Overloaded, Closed, StoreError) as error:
            response = _error(503, str(error), {"Retry-After": "1"})
        except DiskError as error:
            response = _error(507, str(error))
        except ClientDisconnect:
            response = _error(400, "the question broke off")
        except FloatingPointError as error:
            response = _error(500, str(error))
        # the words of an error that nobody thought of could repeat what was asked
        except Exception as error:
            logger.error("%s: %s while answering", path, type(error).__name__)
            response = _error(500, "an error of the server; it is logged by its kind")
        telemetry.told(path, response.status_code)
        return response

    return counted


def _error(status: int, words: str, headers: dict[str, str] | None = None) -> Response:
    if status in (408, 413):  # what is left of the question would be taken for the next one
        headers = {"Connection": "close"}
    return Finite({"error": words}, status, headers)


async def _http_error(_: Request, error: HTTPException) -> Response:
    words = {404: "there is nothing at this address: the page is /, lists come by POST /v1/top"}
    return _error(error.status_code, words.get(error.status_code, error.detail))


async def _all(questions: list[Coroutine[Any, Any, Answer]]) -> list[Answer]:
    """All answers, or the first error, with the other questions taken back."""
    if len(questions) == 1:  # needs no task of its own
        return [await questions[0]]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in questions]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _as_json(answer: Answer, protocol: str) -> dict[str, Any]:
    found = answer.lists[protocol]
    return {
        "digest": answer.digest,
        "items": found.items,
        "scores": found.scores,
        "chance": found.chance,
        "known": answer.known,
        "read": answer.read,
        "unknown": answer.unknown,
        "unknown_items": answer.unknown_items,
        "together": answer.together,
        "ms": answer.ms,
    }
