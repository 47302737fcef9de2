"""Serve model files by HTTP, on this computer alone unless told otherwise.

python -m seqrec_lib.serving build/results/models/<run>.safetensors ... --dataset beauty --port 8000

With ``--dataset`` a browser shows at that port how the models answer as the test events come.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import socket
import sys
from contextlib import suppress
from pathlib import Path

import torch
import uvicorn
from starlette.applications import Starlette

from seqrec_lib.data.dataset import Dataset, composed
from seqrec_lib.data.datasets import digest_of, load
from seqrec_lib.data.hybrid.online import StoreError
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.options import add_variants
from seqrec_lib.data.splits import Split
from seqrec_lib.serving.app import create_app
from seqrec_lib.serving.events import KnownEvents
from seqrec_lib.serving.guard import LOOPBACK
from seqrec_lib.serving.indexed import indexed
from seqrec_lib.serving.items import of_log
from seqrec_lib.serving.kept import Kept
from seqrec_lib.serving.live import Live
from seqrec_lib.serving.patience import MOST_CONNECTIONS, impatient
from seqrec_lib.serving.rerank import CANDIDATES, reranked
from seqrec_lib.serving.served import Served
from seqrec_lib.training.device import device as resolved

logger = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> None:
    """Parse and serve; ``arguments`` stand in for the command line's."""
    parser = argparse.ArgumentParser(
        prog="python -m seqrec_lib.serving", description=__doc__.splitlines()[0]
    )
    parser.add_argument("models", nargs="*", type=Path, help="model files, .safetensors")
    parser.add_argument(
        "--rerank", nargs=2, action="append", default=[], metavar=("FIRST", "RANKER"), type=Path,
        help=f"two model files: the ranker orders the {CANDIDATES} best of the first",
    )  # fmt: skip
    parser.add_argument(
        "--index", action="append", default=[], metavar="MODEL", type=Path,
        help="a model file; of a large catalogue an index finds the items, nearly all of them",
    )  # fmt: skip
    parser.add_argument(
        "--recall", type=float, default=0.99, help="which share of the best ten an index must find"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument(
        "--name", action="append", default=[],
        help="a host name to answer by, beside this computer's own",
    )  # fmt: skip
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--limit", type=int, default=32, help="questions answered together")
    parser.add_argument("--waiting", type=int, default=256, help="questions that may wait a model")
    parser.add_argument(
        "--patience", type=float, default=10.0, help="seconds in which a question must arrive"
    )
    parser.add_argument("--dataset", help="whose test events can be replayed: a name, or a log")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE",
        help="what a replay decides; a server that was killed goes on from there",
    )  # fmt: skip
    parser.add_argument(
        "--store", type=Path, metavar="FOLDER",
        help="of seqrec_lib.data.hybrid, whose store tells the last events of a user",
    )  # fmt: skip
    add_variants(parser)
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if not chosen.models and not chosen.rerank and not chosen.index:
        parser.error("name a model file, or two with --rerank")
    for option, why in (("keep", "is of a replay"), ("index", "is tried on histories")):
        if getattr(chosen, option) and not chosen.dataset:
            parser.error(f"--{option} {why}: name a log with --dataset")
    if not all(name.strip() for name in (chosen.host, *chosen.name)):
        parser.error("a host without a name would be every one: give --host and --name in full")
    if not 0 <= chosen.port <= 65535:
        parser.error(f"--port is {chosen.port}: use one up to 65535, or 0 for any that is free")
    if chosen.device == "cpu":
        torch.set_num_threads(1)  # several threads quarrel over a product of one row
    try:
        device = resolved(chosen.device)
        kept = Kept(chosen.keep) if chosen.keep else None
        dataset = composed(chosen.dataset, chosen) if chosen.dataset else None
        played = None if dataset is None else load(dataset)
        models = _models(chosen, device, played)
        hosts = (*LOOPBACK, chosen.host, *chosen.name)
        how = (chosen.limit, chosen.waiting, chosen.patience)
        items = None
        if dataset is not None and played is not None:
            _compared(models, dataset, played[0])
            items = of_log(played[0], played[1].train, dataset.source)
        name = "" if dataset is None else dataset.name
        known = None if chosen.store is None else KnownEvents(chosen.store)
        app = create_app(models, hosts, *how, played, items, name, kept, known)
        _require_free(chosen.host, chosen.port)
    except (ValueError, FileNotFoundError, StoreError) as error:
        sys.exit(str(error))
    run(app, chosen.host, chosen.port, chosen.patience)


def run(app: Starlette, host: str, port: int, patience: float) -> None:
    """Serve until told to stop."""
    config = uvicorn.Config(
        app, host=host, port=port, http=impatient(patience), ws="none", access_log=False,
        server_header=False, proxy_headers=False, limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=5,
    )  # fmt: skip
    gc.collect()
    gc.freeze()  # what is loaded stays: no answer waits while it is searched for rubbish
    with suppress(KeyboardInterrupt):
        Server(config, app.state.live).run()


class Server(uvicorn.Server):
    """uvicorn's, which stops what is ``live`` first: it waits for its streams before it tells the
    application."""

    def __init__(self, config: uvicorn.Config, live: Live | None):
        super().__init__(config)
        self.live = live

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.live is not None:
            await self.live.end()
        await super().shutdown(sockets)


def _require_free(host: str, port: int) -> None:
    """Raise ``ValueError`` where nobody can listen, before anything is played."""

    async def tried() -> None:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
        server.close()

    try:
        asyncio.run(tried())
    except OSError as error:
        raise ValueError(
            f"cannot listen at {host}, port {port} ({error.strerror}): name another --port, or "
            "--host, or stop who has it"
        ) from None


def _models(
    chosen: argparse.Namespace, device: str, played: tuple[EventLog, Split] | None
) -> list[Served]:
    """Those of the command line; an index is tried on the validation events of what is played."""
    models = [Served.load(path, device) for path in chosen.models]
    for first, ranker in chosen.rerank:
        models.append(reranked(Served.load(first, device), Served.load(ranker, device)))
    for path in chosen.index:
        assert played is not None
        log, split = played
        asked = split.valid if len(split.valid) else split.test
        models.append(indexed(Served.load(path, device), log, asked, chosen.recall))
    return models


def _compared(models: list[Served], dataset: Dataset, log: EventLog) -> None:
    """Name whoever learned from other data than those that are played."""
    digest, items = digest_of(dataset), set(log.items.astype(str).tolist())
    for one in models:
        if items.isdisjoint(one.number):
            logger.warning(
                "%s knows no item of %s, and will have no list to show: name the log that it "
                "learned from with --dataset, and its item column with --columns item=...",
                *(one.name, dataset),
            )
        elif one.about.get("data_digest") != digest:
            logger.warning("%s did not learn from %s as it is here", one.name, dataset)


if __name__ == "__main__":
    main()
