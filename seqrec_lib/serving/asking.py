"""What a question may look like, and how its bytes are read: bounded in size and in time."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.requests import Request

MOST_BYTES = 2**20
MOST_EVENTS = 10_000
MOST_K = 1000
DRAINED = 16 * MOST_BYTES  # of a body too large, so that its sender gets to read the answer

# text or a whole number, as ID_WORDS says; pydantic would tell of each what it is not
ID_WORDS = "an id is text of at most 256 characters, or a whole number of 64 bits"
Id = Annotated[str, Field(max_length=256)] | Annotated[int, Field(ge=-(2**63), lt=2**63)]


class Refused(ValueError):
    """A question that is not answered, why, and the status that says so."""

    def __init__(self, status: int, words: str):
        super().__init__(words)
        self.status = status


class Asked(BaseModel):
    """The body of ``POST /v1/top``. Without ``models``, all are asked that can be."""

    model_config = ConfigDict(extra="forbid", strict=True)

    history: list[Id] | None = Field(None, max_length=MOST_EVENTS)  # raw ids, oldest first
    user: Id | None = None  # in its place: whose last events the store tells
    k: int = Field(10, ge=1, le=MOST_K)
    protocol: Literal["masked", "unmasked"] = "masked"
    models: list[Annotated[str, Field(max_length=256)]] | None = Field(
        None, min_length=1, max_length=100
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Asked:
        if (self.history is None) == (self.user is None):
            raise ValueError("give either a history or a user")
        return self


Body = TypeVar("Body", bound=BaseModel)


async def read(request: Request, kind: type[Body], seconds: float = 10) -> Body:
    """The body as a ``kind``; raises :class:`Refused` in words, without repeating values."""
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said != "application/json":
        raise Refused(415, "send JSON, with the header Content-Type: application/json")
    try:
        async with asyncio.timeout(seconds):
            body = await _bytes(request)
    except TimeoutError:
        raise Refused(408, f"the question took more than {seconds:g} s to arrive") from None
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise Refused(422, _in_words(error)) from None


async def _bytes(request: Request) -> bytes:
    announced = request.headers.get("content-length", "0")
    parts, size = [], 0
    if announced.isdecimal() and int(announced[:20]) > DRAINED:
        raise Refused(413, f"the question has more than {MOST_BYTES} bytes")
    async for part in request.stream():
        size += len(part)
        if size <= MOST_BYTES:
            parts.append(part)
        elif size > DRAINED:
            break
    if size > MOST_BYTES:
        raise Refused(413, f"the question has more than {MOST_BYTES} bytes; send fewer events")
    return b"".join(parts)


def _in_words(error: ValidationError, most: int = 3) -> str:
    """Where and what, of the first few mistakes; never what stood there."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    words = []
    for one in found:
        place = [str(part)[:40] for part in one["loc"]]
        said = one["msg"].removeprefix("Value error, ")
        if place and place[-1].startswith("constrained-"):  # one of the kinds that an id may be
            place, said = place[:-1], ID_WORDS
        where = ".".join(place)
        words.append(f"{where}: {said}" if where else said)
    words = list(dict.fromkeys(words))
    return "; ".join(words[:most]) + "; ..." * (len(words) > most)
