import dataclasses
import json
import re
import shutil

import pandas as pd
import pytest
import torch

from seqrec_lib.data import datasets
from seqrec_lib.data.simulator import small_world
from seqrec_lib.models.counts.popular import Popular
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import GBCE
from seqrec_lib.records import renewal, runs
from seqrec_lib.records.provenance import code_digest
from seqrec_lib.records.recipes import RECIPES
from seqrec_lib.training.loop import Training

SASREC = SASRec.Config(8, 16, 1, max_len=20, objective=GBCE(3))
TRAINING = Training(epochs=3, batch_size=128, max_len=20, cosine=True)
ATTENTION = "book/results/simulated/attention/s0"
LIST = "book/results/simulated/list/s0"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project's folder in which one run that learned is published, and one that counted."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "root", lambda: folder)
        patch.setitem(RECIPES, "attention", ("sasrec", SASREC, TRAINING))
        patch.setitem(RECIPES, "list", ("popular", Popular.Config(), TRAINING))
        for name in ("attention", "list"):
            runs.run("simulated", name)
    return folder


@pytest.fixture
def project(made, tmp_path, monkeypatch):
    """A copy whose records were made by older code, in which ``select`` was no setting yet."""
    shutil.copytree(made / "book", tmp_path / "book")
    for module in (runs, renewal):
        monkeypatch.setattr(module, "root", lambda: tmp_path)
    monkeypatch.setitem(RECIPES, "attention", ("sasrec", SASREC, TRAINING))
    for name in (ATTENTION, LIST):
        change(tmp_path / name / "card.json", lambda card: card.update(code_digest="older"))
        change(tmp_path / name / "spec.json", lambda spec: spec["training"].pop("select"))
        change(tmp_path / name / "spec.json", lambda spec: spec.pop("pretrained"))
    return tmp_path


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content, indent=1) + "\n")


def change_history(folder, name, factor, epoch=0):
    table = pd.read_csv(folder / "history.csv")
    table.loc[epoch, name] *= factor
    table.to_csv(folder / "history.csv", index=False)


def card_of(folder):
    return json.loads((folder / "card.json").read_text())


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- which records are stale -------------------------------------------------------------------


def test_a_record_made_by_older_code_is_stale(made, monkeypatch):
    monkeypatch.setattr(renewal, "root", lambda: made)
    assert renewal.stale() == []
    changed = lambda model: "other" if model is SASRec else code_digest(model)  # noqa: E731
    monkeypatch.setattr(renewal, "code_digest", changed)
    assert renewal.stale() == [ATTENTION]


def test_records_anywhere_can_be_asked_whether_they_are_stale(project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(project / "book/results", elsewhere, dirs_exist_ok=True)
    found = renewal.stale(elsewhere)
    assert [(project / one).resolve() for one in found] == [
        (elsewhere / one).resolve() for one in ("simulated/attention/s0", "simulated/list/s0")
    ]


# --- what today's code still makes -------------------------------------------------------------


def test_a_record_that_todays_code_still_makes_is_renewed(project, made):
    before = bytes_of(project / ATTENTION)
    attention, counted = renewal.renew()
    assert attention.record == ATTENTION and attention.renewed and counted.renewed
    first = pd.read_csv(made / ATTENTION / "history.csv").iloc[0]
    for name in ("loss", "valid_ndcg@10", "valid_hr@10"):
        same = f"epoch 1 {name} {float(first[name])!r} then, {float(first[name])!r} now"
        assert same in attention.evidence
    card = card_of(project / ATTENTION)
    (line,) = card.pop("renewed")
    assert line.keys() == {"commit", "date", "evidence"} and line["evidence"] == attention.evidence
    assert card == card_of(made / ATTENTION)  # today's digest; all else as it was
    after = bytes_of(project / ATTENTION)
    assert {name for name in after if after[name] != before[name]} == {"card.json", "spec.json"}
    assert after["spec.json"] == (made / ATTENTION / "spec.json").read_bytes()
    assert renewal.stale() == [] and list(renewal.renew()) == []
    assert runs.run("simulated", "attention").seeds[0].folder == project / ATTENTION


@pytest.mark.parametrize("name", ["loss", "valid_ndcg@10", "valid_hr@10"])
def test_a_record_whose_first_epoch_differs_stays_stale_and_is_named_with_both_figures(
    project, made, name
):
    change_history(project / ATTENTION, name, 1 + 1e-5)
    before = bytes_of(project / ATTENTION)
    finding, _ = renewal.renew()
    assert finding.record == ATTENTION and not finding.renewed
    shown = re.search(rf"{name} ([\d.]+) then, ([\d.]+) now", finding.evidence)
    now = pd.read_csv(made / ATTENTION / "history.csv")[name][0]
    figures = [float(figure) for figure in shown.groups()]
    assert figures == pytest.approx([now * (1 + 1e-5), now], rel=1e-9)
    assert bytes_of(project / ATTENTION) == before
    assert renewal.stale() == [ATTENTION]


def test_a_figure_rounded_otherwise_is_the_same_figure(project):
    change_history(project / ATTENTION, "loss", 1 + 1e-7)
    finding, _ = renewal.renew()
    assert finding.renewed


def test_another_way_to_learn_or_to_score_does_not_pass(project, monkeypatch):
    encode = SASRec.encode
    monkeypatch.setattr(SASRec, "encode", lambda self, batch: 1.1 * encode(self, batch))
    attention, counted = renewal.renew()
    assert not attention.renewed and counted.renewed
    monkeypatch.setattr(SASRec, "encode", encode)
    monkeypatch.setattr("seqrec_lib.training.loop.hr", lambda ranks, k: ranks < k)
    (attention,) = renewal.renew()
    assert not attention.renewed
    monkeypatch.undo()


def test_a_later_epoch_counts_if_it_is_asked_for(project):
    change_history(project / ATTENTION, "loss", 1.1, epoch=1)
    (finding, _), (again,) = renewal.renew(epochs=2), renewal.renew(epochs=5)
    assert not finding.renewed and "epoch 2 loss" in finding.evidence
    assert not again.renewed and "epoch 3 loss" in again.evidence  # all there are
    (finding,) = renewal.renew()
    assert finding.renewed and "epoch 2" not in finding.evidence
    with pytest.raises(ValueError, match="epochs is 0: without one trained again"):
        next(renewal.renew(epochs=0))


@pytest.mark.parametrize("without", [[], ["first"]])
def test_a_model_that_counts_must_have_every_rank_equal(project, without):
    path = project / LIST / "ranks.parquet"
    table = pd.read_parquet(path).drop(columns=without)
    table.to_parquet(path)
    _, finding = renewal.renew()
    assert finding.renewed
    assert finding.evidence == "counted and ranked again in full: all 400 rows equal"
    change(project / LIST / "card.json", lambda card: card.update(code_digest="older"))
    table.loc[7, "rank_masked"] += 1
    table.to_parquet(path)
    (finding,) = renewal.renew()
    assert not finding.renewed
    assert finding.evidence == "counted and ranked again in full: 1 of 400 rows differ"


def test_a_run_of_no_epochs_is_ranked_again_in_full(project, monkeypatch):
    monkeypatch.setitem(
        RECIPES, "untrained", ("sasrec", SASREC, dataclasses.replace(TRAINING, epochs=0))
    )
    folder = runs.run("simulated", "untrained").seeds[0].folder
    change(folder / "card.json", lambda card: card.update(code_digest="older"))
    findings = {finding.record: finding for finding in renewal.renew()}
    found = findings["book/results/simulated/untrained/s0"]
    assert found.renewed
    assert found.evidence == "counted and ranked again in full: all 400 rows equal"


def test_a_record_renewed_twice_keeps_both_lines(project, monkeypatch):
    monkeypatch.setattr(renewal, "commit", lambda: "first")
    list(renewal.renew())
    change(project / LIST / "card.json", lambda card: card.update(code_digest="older again"))
    monkeypatch.setattr(renewal, "commit", lambda: "second")
    (finding,) = renewal.renew()
    assert finding.record == LIST
    assert [line["commit"] for line in card_of(project / LIST)["renewed"]] == ["first", "second"]
    assert len(card_of(project / ATTENTION)["renewed"]) == 1


def test_the_card_gets_the_digest_of_the_code_that_ran(project, monkeypatch):
    def edited_since(*given):
        monkeypatch.setattr(renewal, "code_digest", lambda _: "edited since")
        return made_again(*given)

    made_again = renewal._made_again
    monkeypatch.setattr(renewal, "_made_again", edited_since)
    assert all(finding.renewed for finding in renewal.renew())
    assert card_of(project / LIST)["code_digest"] == code_digest(Popular)


def test_a_record_is_made_again_on_as_many_threads(project, monkeypatch):
    seen, made_again = [], renewal._made_again

    def note(*given):
        seen.append(torch.get_num_threads())
        return made_again(*given)

    monkeypatch.setattr(renewal, "_made_again", note)
    change(project / LIST / "card.json", lambda card: card.update(threads=2))
    list(renewal.renew())
    assert seen == [1, 2] and torch.get_num_threads() == 1


# --- what cannot be made again -----------------------------------------------------------------


def test_a_record_of_other_data_stays_stale(project, monkeypatch):
    fewer = small_world(num_users=399)
    monkeypatch.setattr(datasets.simulator, "small_world", lambda: fewer)
    findings = list(renewal.renew())
    assert [finding.renewed for finding in findings] == [False, False]
    assert {finding.evidence for finding in findings} == {
        "cannot be made again: its data are not today's"
    }


def test_without_its_data_or_a_setting_of_then_a_record_stays_stale_and_the_rest_goes_on(
    project, made
):
    change(project / ATTENTION / "spec.json", lambda spec: spec["training"].update(momentum=0.9))
    gone = project / "book/results/gone/list/s0"
    shutil.copytree(project / LIST, gone)
    change(gone / "spec.json", lambda spec: spec.update(dataset="gone.csv"))
    lost, unknown, finding = renewal.renew()
    assert lost.record == "book/results/gone/list/s0" and not lost.renewed
    assert "cannot be made again" in lost.evidence and "gone.csv" in lost.evidence
    assert not unknown.renewed and "momentum" in unknown.evidence
    assert finding.renewed


def test_without_what_a_model_starts_from_a_record_stays_stale_and_the_rest_goes_on(
    project, monkeypatch
):
    build = renewal.untrained

    def missing(spec, *rest):
        if spec.name == "attention":
            raise FileNotFoundError("attributes are in no data folder")
        return build(spec, *rest)

    monkeypatch.setattr(renewal, "untrained", missing)
    lost, finding = renewal.renew()
    assert not lost.renewed and "attributes are in no data folder" in lost.evidence
    assert finding.renewed


# --- interruptions -----------------------------------------------------------------------------


def test_interrupted_what_was_renewed_stays_so_and_the_rest_is_next(project, monkeypatch):
    before, made_again = bytes_of(project / LIST), renewal._made_again

    def interrupted(record, *rest):
        if record.folder == project / LIST:
            raise KeyboardInterrupt
        return made_again(record, *rest)

    monkeypatch.setattr(renewal, "_made_again", interrupted)
    going = renewal.renew()
    assert next(going).renewed
    with pytest.raises(KeyboardInterrupt):
        next(going)
    assert bytes_of(project / LIST) == before and renewal.stale() == [LIST]
    assert "renewed" in card_of(project / ATTENTION)
    monkeypatch.setattr(renewal, "_made_again", made_again)
    assert [(one.record, one.renewed) for one in renewal.renew()] == [(LIST, True)]


def test_a_record_that_is_made_anew_meanwhile_is_left_alone(project, monkeypatch):
    def slow(record, *rest):
        change(record.folder / "card.json", lambda card: card.update(date="today"))
        return made_again(record, *rest)

    made_again = renewal._made_again
    monkeypatch.setattr(renewal, "_made_again", slow)
    for finding in renewal.renew():
        assert not finding.renewed and finding.evidence == "it was made anew meanwhile"
        card = card_of(project / finding.record)
        assert card["date"] == "today" and "renewed" not in card


@pytest.mark.parametrize("written", [0, 1])  # files in place when it happens: spec, then card
def test_a_crash_while_a_card_is_written_leaves_the_older_one(project, monkeypatch, written):
    before, renamed, move = bytes_of(project / ATTENTION), [], renewal.written_aside

    def crash(path):
        if len(renamed) == written:
            raise OSError("no space left")
        renamed.append(path)
        return move(path)

    monkeypatch.setattr(renewal, "written_aside", crash)
    with pytest.raises(OSError, match="no space left"):
        next(renewal.renew())
    after = bytes_of(project / ATTENTION)
    changed = {name for name in after if after[name] != before[name]}
    assert after.keys() == before.keys() and changed == {"spec.json"} if written else not changed
    assert ATTENTION in renewal.stale()
    monkeypatch.setattr(renewal, "written_aside", move)
    assert all(finding.renewed for finding in renewal.renew())
