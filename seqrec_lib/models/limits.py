"""Settings of which no model can be made, refused in words: a net of no width learns nothing.
And what a model can hold that is made of others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def at_least(least: int, config: Any, *names: str) -> None:
    """Raise ``ValueError`` for a setting below ``least``, or an empty row of them; None is none."""
    for name, value in _given(config, names):
        if value == () or not min(value if isinstance(value, tuple) else (value,)) >= least:
            raise ValueError(f"{name} is {value}; use {least} or more")


def above_zero(config: Any, *names: str) -> None:
    """Raise ``ValueError`` for a setting of 0 or below; None is none."""
    for name, value in _given(config, names):
        if not value > 0:
            raise ValueError(f"{name} is {value}; use more than 0")


def shares(config: Any, *names: str) -> None:
    """Raise ``ValueError`` for a setting that is no share, from 0 to 1."""
    for name, value in _given(config, names):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}; use a share from 0 to 1")


def heads(config: Any) -> None:
    """Raise ``ValueError`` unless the heads divide the width among them."""
    if config.num_heads < 1 or config.embed_dim % config.num_heads:
        raise ValueError(
            f"num_heads is {config.num_heads}; it must divide embed_dim, {config.embed_dim}"
        )


def narrowest(limits: Iterable[int | None]) -> int | None:
    """The limit of what has parts: the least of theirs; None, no limit, if none has one."""
    return min((one for one in limits if one is not None), default=None)


def _given(config: Any, names: tuple[str, ...]) -> list[tuple[str, Any]]:
    values = [(name, getattr(config, name)) for name in names]
    return [(name, value) for name, value in values if value is not None]
