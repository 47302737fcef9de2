"""Every committed record is whole, and its card says what its ranks say."""

import functools
import json
import math
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from seqrec_lib.data import datasets
from seqrec_lib.data.dataset import Dataset
from seqrec_lib.data.files import root
from seqrec_lib.data.splits import global_time, of_each_user, of_sampled_users
from seqrec_lib.metrics.ranking import hr, mrr, ndcg
from seqrec_lib.models.base import CountModel
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import GBCE
from seqrec_lib.models.registry import MODELS
from seqrec_lib.records import provenance, runs, standing, store
from seqrec_lib.records.recipes import published, recipe
from seqrec_lib.records.spec import Spec
from seqrec_lib.records.store import Runs
from seqrec_lib.training.evaluation import last
from seqrec_lib.training.settings import Training

RESULTS = root() / store.RESULTS
MADE_ANEW = re.compile(r"-released|-pairs|^omni-(?!100-stores-known$)")
RECORDS = sorted(card.parent for card in RESULTS.glob("*/*/s*/card.json"))
PARTS = {"spec.json", "card.json", "history.csv", "ranks.parquet", "exposure.parquet"}
CARD = {
    *("commit", "date", "device", "threads", "versions", "golden", "data_digest", "starts_from"),
    *("own_seconds", "total_seconds", "scoring_seconds", "peak_bytes", "parameters", "summary"),
    "coverage@10",
}
OPTIONAL = {"lists"}  # cards of before have none
COMMIT = re.compile(r"[0-9a-f]{40}\+?|unknown")
BUDGET = 80e6  # bytes, of all records together


def check(folder):
    """Raise AssertionError unless the record is whole and agrees with itself."""
    assert {path.name for path in folder.iterdir()} == PARTS
    run = store.load(folder)
    check_spec(run)
    check_ranks(run)
    check_exposure(run)
    check_history(run)
    check_card(run)


def check_spec(run):
    *_, dataset, name, seed = run.folder.parts
    spec = run.spec
    fields = {"dataset", "name", "model", "config", "training", "pretrained"}
    assert seed == f"s{spec['training']['seed']}" and name == spec["name"]
    assert dataset == spec["dataset"]
    kind = MODELS[spec["model"]]
    stored = [set(spec), set(spec["config"]), set(spec["training"])]
    todays = [fields, set(kind.Config.__dataclass_fields__), set(Training.__dataclass_fields__)]
    # older code had fewer settings
    assert all(some <= every for some, every in zip(stored, todays, strict=True))


def check_ranks(run):
    table, num_items = run.ranks, len(run.exposure)
    columns = ["user", "item", "history_length", "repeat", "rank_masked", "rank_unmasked"]
    with_first = "first" in table  # not in records of before
    assert table.columns.tolist() == columns + ["first"] * with_first
    assert len(table) and not table.isna().any().any()
    dataset = Dataset.parse(run.spec["dataset"])
    if (dataset.split or dataset.about.splits[0]) != "last":  # several rows a user, in order
        row = table["user"] * (1 + table["history_length"].max()) + table["history_length"]
        assert row.is_monotonic_increasing and row.is_unique
        assert (table["history_length"] >= 1).all()
    else:
        every, few = table["user"], run.spec["training"].get("test_users", 0)
        assert every.is_unique and (not few or len(every) == few)  # one row a user
        assert few or sorted(every) == list(range(len(every)))
        assert (table["history_length"] >= 2).all()  # a training and a validation event at least
    for column in ["item", "rank_masked", "rank_unmasked"] + ["first"] * with_first:
        assert table[column].dtype == np.int32
        assert table[column].between(1, last(num_items)).all()
    if with_first:  # nothing above it and nothing tied with it
        assert (table["first"] == table["item"])[table["rank_unmasked"] == 1].all()
    new = table[~table["repeat"]]
    assert (new["rank_masked"] <= new["rank_unmasked"]).all()
    assert (table["rank_masked"][table["repeat"]] == last(num_items)).all()


def check_exposure(run):
    shown = run.exposure
    assert shown.columns.tolist() == ["item", "masked", "unmasked"]
    assert shown["item"].tolist() == list(range(1, len(shown) + 1))
    lists, rows = run.card.get("lists", len(run.ranks)), len(run.ranks)
    assert lists == len(range(0, rows, math.ceil(rows / runs.LISTS)))  # evenly spaced
    for protocol in ("masked", "unmasked"):
        assert shown[protocol].between(0, lists).all()
        assert shown[protocol].sum() == min(10, len(shown)) * lists
        assert run.card["coverage@10"][protocol] == (shown[protocol] > 0).mean()


def check_history(run):
    history = run.history
    assert history.columns.tolist() == [
        *("epoch", "loss", "valid_ndcg@10", "valid_hr@10", "seconds")
    ]
    if issubclass(MODELS[run.spec["model"]], CountModel) or not run.spec["training"]["epochs"]:
        assert history.empty
        return
    assert history["epoch"].tolist() == list(range(1, len(history) + 1))
    training = run.spec["training"]
    assert 1 <= len(history) <= training["epochs"]
    waited = len(history) - 1 - int(history["valid_ndcg@10"].argmax())
    assert len(history) == training["epochs"] or waited == training["patience"]
    assert np.isfinite(history).all().all() and history["seconds"].is_monotonic_increasing
    assert (history["valid_ndcg@10"] <= history["valid_hr@10"]).all()


def check_card(run):
    card = run.card
    assert CARD <= set(card) <= CARD | OPTIONAL
    assert COMMIT.fullmatch(card["commit"])
    assert re.fullmatch("[0-9a-f]{64}", card["data_digest"])
    assert card["golden"] is None or re.fullmatch("[0-9a-f]{64}", card["golden"])
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in card["starts_from"].values())
    sources = (run.spec.get("pretrained") or "").split(",")
    assert [name.rsplit("/", 1)[0] for name in card["starts_from"]] == [s for s in sources if s]
    assert 0 <= card["own_seconds"] <= card["total_seconds"]
    assert card["starts_from"] or card["own_seconds"] == card["total_seconds"]
    assert card["peak_bytes"] > 1e7 and card["device"] and card["versions"]["torch"]
    assert (card["parameters"] == 0) == issubclass(MODELS[run.spec["model"]], CountModel)
    for protocol in ("masked", "unmasked"):
        ranks = run.ranks[f"rank_{protocol}"].to_numpy()
        expected = {
            f"{name}@{k}": metric(ranks, k).mean()
            for k in (5, 10, 20)
            for name, metric in (("HR", hr), ("NDCG", ndcg), ("MRR", mrr))
        }
        assert card["summary"][protocol].keys() == expected.keys()
        for name, value in expected.items():
            assert abs(card["summary"][protocol][name] - value) < 1e-12


@pytest.fixture(scope="module")
def todays_data():
    """``datasets.load``, each data set read once; pairs share the log they were found in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load", functools.cache(datasets.load))
        yield datasets.load


# --- the committed records ---------------------------------------------------------------------


@pytest.mark.parametrize("folder", RECORDS, ids=lambda path: "-".join(path.parts[-3:]))
def test_a_committed_record_is_whole(folder):
    check(folder)


# patterns are mined anew of released data, pairs are counted anew, worlds are drawn anew: of these
# one will do, the others differ by whose lines of a store are kept
@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(
            path,
            marks=[pytest.mark.slow] * bool(MADE_ANEW.search(path.parts[-3])),
        )
        for path in RECORDS
    ],
    ids=lambda path: "-".join(path.parts[-3:]),
)
def test_a_committed_record_was_made_from_todays_data(folder, todays_data):
    dataset = folder.parts[-3]
    if not datasets.at_hand(dataset):
        pytest.skip("its files are not here")
    log, split = todays_data(dataset)
    run = store.load(folder)
    assert run.card["data_digest"] == datasets.digest(log, split)
    table = run.ranks
    training = run.spec["training"]
    asked = of_each_user(log, split.test, training.get("questions", 0))
    asked = of_sampled_users(log, asked, training.get("test_users", 0))
    np.testing.assert_array_equal(table["item"], log.item[asked])
    np.testing.assert_array_equal(table["history_length"], log.history_length(asked))
    np.testing.assert_array_equal(table["user"], log.user_of(asked))
    assert len(run.exposure) == log.num_items


def test_nothing_but_records_stands_among_the_results():
    files = [path for path in RESULTS.rglob("*") if path.is_file()]
    records = [store.load(folder) for folder in RECORDS]
    shared = {store.shared_examples(one.folder, one.card, one.spec) for one in records}
    assert all(
        path in shared or ((path.parent / "card.json").exists() and path.name in PARTS)
        for path in files
    )
    for folder in RECORDS:
        *_, dataset, name, _ = folder.parts
        assert recipe(name, dataset)  # raises for a name that is not published


def test_all_records_together_keep_to_their_budget():
    assert sum(path.stat().st_size for path in RESULTS.rglob("*") if path.is_file()) < BUDGET


# --- the check itself, on a record made here ---------------------------------------------------


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    config = SASRec.Config(8, 16, 1, max_len=20, objective=GBCE(3))
    training = Training(epochs=4, batch_size=128, max_len=20, precision="fp32", patience=3)
    spec = Spec("simulated", "attention", "sasrec", config, training)
    with pytest.MonkeyPatch.context() as patch:
        for module in (runs, standing, provenance):
            patch.setattr(module, "root", lambda: folder)
        return runs.run_spec(spec).folder


@pytest.fixture
def record(fresh, tmp_path):
    folder = tmp_path / "simulated" / "attention" / "s0"
    folder.mkdir(parents=True)
    for path in fresh.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (examples,) = fresh.parents[1].glob("examples-*.parquet")
    shutil.copy(examples, folder.parents[1])
    return folder


def change_json(part, **changes):
    def change(folder):
        content = json.loads((folder / part).read_text())
        (folder / part).write_text(json.dumps(content | changes))

    return change


def change_table(part, edit):
    def change(folder):
        whole = part == "ranks.parquet"
        table = store.load(folder).ranks if whole else pd.read_parquet(folder / part)
        edit(table).to_parquet(folder / part, index=False)

    return change


def one_more(column):
    """Among the first 20 a rank one lower, or an item shown once more."""

    def edit(table):
        table.loc[table.index[table[column].between(1, 20)][0], column] += 1
        return table

    return edit


def shifted_summary(folder):
    card = json.loads((folder / "card.json").read_text())
    card["summary"]["masked"]["NDCG@10"] += 1e-9
    (folder / "card.json").write_text(json.dumps(card))


def test_a_record_made_here_is_whole(record):
    check(record)


def test_examples_stand_once_beside_the_runs_and_are_missed(record):
    (examples,) = record.parents[1].glob("examples-*.parquet")
    own = pd.read_parquet(record / "ranks.parquet")
    assert own.columns.tolist() == ["rank_masked", "first", "lost"]
    assert pd.read_parquet(examples).columns.tolist() == store.EXAMPLES
    examples.unlink()
    with pytest.raises(FileNotFoundError, match="restore it, or retrain the runs beside it"):
        _ = store.load(record).ranks


def test_the_digest_of_ranks_is_of_both_protocols_and_of_their_order():
    table = pd.DataFrame({"rank_masked": [1, 2], "rank_unmasked": [1, 3]}, dtype=np.int32)
    others = [table[::-1], *(table.assign(**{name: [1, 4]}) for name in table)]
    assert len({store.ranks_digest(one) for one in (table, *others)}) == 4
    assert store.ranks_digest(table.assign(first=1).astype(np.int64)) == store.ranks_digest(table)


CUT = {
    "half": lambda content: content[: len(content) // 2],
    "nothing": lambda content: b"",
    "noise": lambda content: b"\0\xff" * len(content),
}


@pytest.mark.parametrize("cut", CUT.values(), ids=CUT.keys())
@pytest.mark.parametrize("part", [*sorted(PARTS), "examples"])
def test_a_part_that_is_cut_is_named_with_the_remedy(record, part, cut):
    if part == "examples":
        (path,) = record.parents[1].glob("examples-*.parquet")
    else:
        path = record / part
    path.write_bytes(cut(path.read_bytes()))
    with pytest.raises(
        ValueError, match=f"{path.name}: damaged .*; restore it from git, or delete"
    ):
        run = store.load(record)
        _ = run.history, run.ranks, run.exposure


def test_a_part_that_is_no_object_is_named(record):
    (record / "card.json").write_text("[1]\n")
    with pytest.raises(ValueError, match="card.json: damaged .it is no JSON object"):
        store.load(record)


def without(folder, *names):
    card = json.loads((folder / "card.json").read_text())
    changed = {name: value for name, value in card.items() if name not in names}
    (folder / "card.json").write_text(json.dumps(changed))


@pytest.mark.parametrize(
    "change",
    [
        change_table("ranks.parquet", lambda table: table.drop(columns="first")),
        lambda folder: without(folder, "lists"),
    ],
)
def test_a_record_of_before_is_whole_too(record, change):
    change(record)
    check(record)


def older_spec(folder):
    spec = json.loads((folder / "spec.json").read_text())
    del spec["pretrained"], spec["training"]["select"]
    (folder / "spec.json").write_text(json.dumps(spec))


def test_a_record_of_older_code_may_lack_a_setting(record):
    older_spec(record)
    check(record)


@pytest.fixture
def many_rows(small_log, tmp_path, monkeypatch):
    """The record of a counter on a T-ECD of 200 users: many rows a user, some of them listed."""
    split = global_time(small_log, 86_400 * 15_009, 86_400 * 15_011)
    monkeypatch.setattr(datasets, "load", lambda _: (small_log, split))
    monkeypatch.setattr(runs, "LISTS", 500)
    for module in (runs, standing, provenance):
        monkeypatch.setattr(module, "root", lambda: tmp_path)
    assert len(split.test) > 1000
    return runs.run("tecd-sim", "popular").seeds[0].folder


def test_a_results_folder_is_named_from_where_one_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    named = {"mine": tmp_path / "mine", "../mine": tmp_path.parent / "mine"}
    named |= {"~/mine": tmp_path / "home" / "mine", "/mine": "/mine"}
    assert {name: store.results_folder(name) for name in named} == {
        name: str(path) for name, path in named.items()
    }
    for ours in (store.RESULTS, store.SCRATCH):  # of the project, wherever one stands
        assert store.results_folder(ours) == ours
        assert store.results_folder(str(store.root() / "book" / ".." / ours)) == ours


def test_a_record_of_many_rows_a_user_is_whole(many_rows):
    check(many_rows)
    card = json.loads((many_rows / "card.json").read_text())
    assert card["lists"] <= 500 < len(pd.read_parquet(many_rows / "ranks.parquet"))


def test_a_record_of_a_sample_of_users_has_their_ranks_alone_and_compares_with_all(many_rows):
    whole = runs.run("tecd-sim", "popular")
    (spec,) = published("tecd-sim", "popular", [0])
    few = replace(spec, name="few", training=replace(spec.training, test_users=30))
    sampled = runs.run_spec(few)
    check(sampled.folder)
    users = sampled.ranks["user"].unique()
    assert len(users) == 30
    among = whole.among(users)
    pd.testing.assert_frame_equal(among.seeds[0].ranks, sampled.ranks)
    assert among.ranks("masked").shape == (1, len(sampled.ranks))
    assert len(whole.examples) > len(among.examples) == len(sampled.ranks)
    one, every = Runs("few", "tecd-sim", [sampled]), among.examples["history_length"]
    pd.testing.assert_frame_equal(whole.asked_as(one).seeds[0].ranks, sampled.ranks)
    vars(sampled)["ranks"] = sampled.ranks[every > every.min()]  # some of their questions alone
    pd.testing.assert_frame_equal(
        whole.asked_as(one).seeds[0].ranks, sampled.ranks.reset_index(drop=True)
    )
    del vars(sampled)["ranks"]
    assert runs.run_spec(few).ranks.equals(sampled.ranks)  # read back
    assert store.load(many_rows).ranks.equals(whole.seeds[0].ranks)


def test_who_asks_few_questions_of_each_user_shares_them_with_others_who_do(many_rows):
    (whole,) = runs.run("tecd-sim", "popular").seeds
    (spec,) = published("tecd-sim", "popular", [0])
    few = replace(spec, name="few", training=replace(spec.training, questions=3))
    asked = runs.run_spec(few)
    check(asked.folder)
    most = [one.ranks.groupby("user").size().max() for one in (asked, whole)]
    assert most[0] == 3 < most[1]
    shared = store.shared_examples(asked.folder, asked.card, asked.spec)
    assert shared.name.endswith("-3.parquet") and "item" not in pd.read_parquet(
        asked.folder / "ranks.parquet"
    )
    both = whole.ranks.merge(asked.ranks[["user", "history_length"]])
    pd.testing.assert_frame_equal(both, store.load(asked.folder).ranks)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: without(folder, "lists"),
        change_table("ranks.parquet", lambda table: table[::-1]),
        change_table("ranks.parquet", lambda table: pd.concat([table[:1], table[:-1]])),
    ],
)
def test_rows_out_of_order_or_lists_uncounted_are_found_out(many_rows, damage):
    damage(many_rows)
    with pytest.raises(AssertionError):
        check(many_rows)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "left.over").touch(),
        lambda folder: (folder / "history.csv").unlink(),
        lambda folder: (folder / "history.csv").write_text("epoch,loss\n"),
        lambda folder: folder.rename(folder.with_name("s1")),
        change_json("spec.json", name="another"),
        change_json("spec.json", config={"no_such_setting": 8}),
        change_json("card.json", parameters=0),
        change_json("card.json", commit="yesterday"),
        change_json("card.json", **{"coverage@10": {"masked": 1.0, "unmasked": 0.5}}),
        change_json("card.json", golden="today's"),
        change_json("card.json", starts_from={"simulated/list/s0": "0" * 64}),
        change_json("card.json", total_seconds=1e9),
        lambda folder: without(folder, "own_seconds"),
        change_json("card.json", lists=399),
        shifted_summary,
        change_table("ranks.parquet", lambda table: table[1:]),
        change_table("ranks.parquet", lambda table: table.assign(rank_masked=np.int32(0))),
        change_table("ranks.parquet", lambda table: table.assign(rank_unmasked=np.int32(1))),
        change_table("ranks.parquet", lambda table: table.drop(columns="repeat")),
        change_table("ranks.parquet", lambda table: table.assign(first=np.int32(0))),
        change_table("ranks.parquet", lambda table: table.assign(first=table["item"] % 40 + 1)),
        change_table("ranks.parquet", one_more("rank_masked")),
        change_table("exposure.parquet", one_more("masked")),
        change_table("exposure.parquet", lambda table: table[:-1]),
    ],
)
def test_a_damaged_record_is_found_out(record, damage):
    damage(record)
    with pytest.raises((AssertionError, FileNotFoundError)):
        check(next(record.parent.iterdir()))


def test_a_table_comes_back_and_what_rises_is_packed_as_differences(tmp_path):
    rng = np.random.default_rng(0)
    users = np.sort(rng.integers(0, 20_000, 5000)).astype(np.int32)
    table = pd.DataFrame({"user": users, "masked": rng.random(5000) < 0.5, "item": "a"})
    for column in ("user", "masked"):
        store.write_table(table[[column]], tmp_path / f"{column}.parquet")
    store.write_table(table, tmp_path / "all.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "all.parquet"), table)
    table[["user"]].to_parquet(tmp_path / "plain.parquet", compression="zstd", index=False)
    small, plain = ((tmp_path / f"{one}.parquet").stat().st_size for one in ("user", "plain"))
    assert small < plain / 2
