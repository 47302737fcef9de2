"""Features by name and version. A definition never changes under its version; a digest says so."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from seqrec_lib.data.files import written_aside
from seqrec_lib.data.hybrid.contract import ACTIONS, SOURCES
from seqrec_lib.data.refusals import Said

MINUTE = 60_000_000  # microseconds
HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE
TILE = 5 * MINUTE  # what events are counted by beforehand; a window is at least as long
KINDS = ("count", "sum", "since", "last")
LISTS = ("item", "source", "basket", "age")  # of the events of a "last", a list each


class RegistryError(Said, ValueError):
    """Features that contradict others of the same name, or are not those expected."""


@dataclass(frozen=True)
class Feature:
    """One feature of (user, t, seq); all values are int64, or lists of int64.

    ``count`` and ``sum`` (of amounts) are over the window (t - window, t], ``window`` in
    microseconds. ``since`` is the time in microseconds since the latest event, -1 if there is
    none. ``last`` has the latest ``window`` events, oldest first in the order of (time, event_id,
    source), as a list each of item, source, basket and age (t - time).
    ``source`` and ``action`` choose among events; None takes all.
    """

    name: str
    version: int
    kind: str
    window: int = 0
    source: str | None = None
    action: str | None = None
    owner: str = ""

    def __post_init__(self):
        where = f"feature {self.name!r}"
        if self.kind not in KINDS:
            raise RegistryError(f"{where}: kind is {self.kind!r}; use one of {', '.join(KINDS)}")
        if self.kind in ("count", "sum") and self.window < TILE:
            raise RegistryError(
                f"{where}: window is {self.window}; use at least {TILE} microseconds"
            )
        if self.kind == "last" and self.window < 1:
            raise RegistryError(f"{where}: window is {self.window}; use a number of events")
        if self.source not in (None, *SOURCES):
            raise RegistryError(f"{where}: source is {self.source!r}; use one of {SOURCES}")
        if self.action is not None and not any(self.action in ACTIONS[s] for s in self.sources):
            words = ", ".join(word for s in self.sources for word in ACTIONS[s])
            raise RegistryError(f"{where}: action is {self.action!r}; use one of {words}")

    @property
    def sources(self) -> tuple[str, ...]:
        return SOURCES if self.source is None else (self.source,)

    @property
    def parts(self) -> list[tuple[int, str]]:
        """The (number of source, action) that it takes."""
        return [
            (SOURCES.index(source), action)
            for source in self.sources
            for action in ACTIONS[source]
            if self.action in (None, action)
        ]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its values."""
        if self.kind != "last":
            return (self.name,)
        return tuple(f"{self.name}_{part}" for part in LISTS)

    def definition(self) -> dict:
        """What its value depends on: all but the owner, and the version by which it goes."""
        return {k: v for k, v in asdict(self).items() if k not in ("owner", "version")}


@dataclass(frozen=True)
class FeatureSet:
    """Features that are served together."""

    features: tuple[Feature, ...]

    def __post_init__(self):
        names = [name for feature in self.features for name in feature.columns]
        if twice := {name for name in names if names.count(name) > 1}:
            raise RegistryError(f"features {sorted(twice)} are there twice: rename one of each")

    def __iter__(self) -> Iterator[Feature]:
        return iter(self.features)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all values, in order."""
        return tuple(name for feature in self.features for name in feature.columns)

    def digest(self) -> str:
        """64 hexadecimal digits that differ where any value may differ; the order is no matter."""
        lines = sorted(json.dumps([f.version, f.definition()], sort_keys=True) for f in self)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def require(self, digest: str | None, what: str) -> None:
        """Raise RegistryError unless ``what`` (such as a model file) goes with these features.

        ``digest`` is that of the features that it names; None: it names none.
        """
        if digest is None:
            raise RegistryError(
                f"{what} does not say by which features it is served: train it on a log that "
                "'python -m seqrec_lib.data.hybrid log' writes"
            )
        if digest != self.digest():
            raise RegistryError(
                f"{what} was made with features {digest[:12]}, but these are "
                f"{self.digest()[:12]}: serve it with its own features, or train it again"
            )

    def check_compatible(self, older: FeatureSet) -> None:
        """Raise RegistryError if a feature differs from an ``older`` one without a new version."""
        before = {feature.name: feature for feature in older}
        for feature in self:
            old = before.get(feature.name, feature)
            changed = feature.definition() != old.definition()
            if feature.version < old.version or changed and feature.version == old.version:
                raise RegistryError(
                    f"feature {feature.name!r} has version {feature.version}, and version "
                    f"{old.version} was another definition ({old.definition()}): give it version "
                    f"{old.version + 1}"
                )

    def save(self, path: Path) -> None:
        """Write the features as JSON, unless they contradict what stands there (RegistryError)."""
        if path.exists():
            self.check_compatible(FeatureSet.load(path))
        with written_aside(path) as aside:
            aside.write_text(json.dumps([asdict(feature) for feature in self], indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> FeatureSet:
        """The features of a JSON file; RegistryError if it holds none."""
        try:
            return cls(tuple(Feature(**one) for one in json.loads(path.read_text())))
        except (OSError, TypeError, ValueError) as error:
            raise RegistryError(
                f"{path} cannot be read as features ({error}): restore it, or delete it and rebuild"
            ) from error


SET_1 = FeatureSet(
    (
        Feature("views_1h", 1, "count", HOUR, "online", "view"),
        Feature("views_24h", 1, "count", DAY, "online", "view"),
        Feature("views_7d", 1, "count", 7 * DAY, "online", "view"),
        Feature("carts_24h", 1, "count", DAY, "online", "cart"),
        Feature("orders_7d", 1, "count", 7 * DAY, "online", "order"),
        Feature("store_lines_7d", 1, "count", 7 * DAY, "store"),
        Feature("store_lines_30d", 1, "count", 30 * DAY, "store"),
        Feature("store_spend_30d", 1, "sum", 30 * DAY, "store"),
        Feature("since_online_us", 1, "since", source="online"),
        Feature("since_store_us", 1, "since", source="store"),
        Feature("last_50", 1, "last", 50),
    )
)
