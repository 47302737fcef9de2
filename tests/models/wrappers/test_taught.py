import dataclasses

import numpy as np
import pytest
import torch

from seqrec_lib.data.batch import Batch
from seqrec_lib.data.splits import Split
from seqrec_lib.metrics.ranking import hr
from seqrec_lib.models.base import Recommender, from_config
from seqrec_lib.models.counts.markov import Markov
from seqrec_lib.models.encoders.bert4rec import BERT4Rec
from seqrec_lib.models.encoders.duorec import DuoRec
from seqrec_lib.models.encoders.gru import GRU
from seqrec_lib.models.encoders.gru4rec import GRU4Rec
from seqrec_lib.models.encoders.pinnerformer import PinnerFormer
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.losses import SampledSoftmax
from seqrec_lib.models.stores.encoder import StoreEncoder
from seqrec_lib.models.wrappers.ensemble import Ensemble
from seqrec_lib.models.wrappers.retrieval import Retrieval
from seqrec_lib.models.wrappers.taught import Taught
from seqrec_lib.records.model_file import load_model, save_model
from seqrec_lib.records.settings import plain
from seqrec_lib.training import loop
from seqrec_lib.training.evaluation import ranks
from seqrec_lib.training.loop import fit
from seqrec_lib.training.settings import Training

SASREC = SASRec.Config(embed_dim=16, hidden_dim=32, num_layers=1, max_len=20, dropout=0.2)
CONFIG = Taught.Config(SASREC, kept=10)
SHORT = Training(epochs=2, batch_size=16, max_len=20, learning_rate=2e-2, precision="fp32")


class Says(Recommender):
    """A teacher who answers ``item`` with probability 0.9, whatever was asked."""

    def __init__(self, catalogue, item=7):
        super().__init__(catalogue)
        chance = torch.full((catalogue.num_items + 1,), 0.1 / (catalogue.num_items - 1))
        chance[item], chance[0] = 0.9, 0.0
        self.register_buffer("scores", chance.log())

    def score_all(self, batch):
        return self.scores.repeat(len(batch.item), 1)


def pupil(catalogue, *teachers, config=CONFIG, seed=0):
    torch.manual_seed(seed)
    model = Taught(catalogue, config)
    model.start_from(*teachers)
    return model


@pytest.fixture(scope="module")
def chain(small_log, small_split, small_catalogue):
    model = Markov(small_catalogue, Markov.Config(order=1))
    model.count(small_log, small_split.train)
    return model


# --- the limit of no teaching ------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoder",
    [
        SASREC,
        GRU.Config(8, 16, objective=SampledSoftmax(16)),
        DuoRec.Config(**vars(SASREC)),
        StoreEncoder.Config(SASREC),
    ],
    ids=["sasrec", "gru-sampled", "duorec", "stores"],
)
def test_without_a_share_it_learns_what_the_encoder_learns_alone(
    small_catalogue, small_log, small_split, encoder
):
    short = dataclasses.replace(SHORT, epochs=1)
    model = pupil(small_catalogue, config=Taught.Config(encoder, share=0.0))
    fit(model, small_log, small_split, short)
    torch.manual_seed(0)
    alone = from_config(small_catalogue, encoder)
    fit(alone, small_log, small_split, short)
    found, expected = model.encoder.state_dict(), alone.state_dict()
    assert all(found[name].equal(expected[name]) for name in expected)


# --- what is taught ----------------------------------------------------------------------------


def test_answers_are_the_mean_of_logs_as_an_ensembles(
    small_catalogue, small_log, small_split, chain
):
    teachers = (chain, Says(small_catalogue))
    together = Ensemble(small_catalogue, Ensemble.Config(()))
    together.members.extend(teachers)
    asked = small_split.train[small_log.history_length(small_split.train) > 0][::7]
    items, chances = pupil(small_catalogue, *teachers).answers(small_log, asked, 20)
    expected = together.log_chances(together.batch(small_log, asked, 20)).exp()
    assert items.shape == (len(asked), 10) and chances.dtype == torch.float16
    found = expected.gather(1, items.long())
    torch.testing.assert_close(chances.float(), found, rtol=1e-3, atol=1e-6)
    left = expected.scatter(1, items.long(), 0)
    assert (left.max(1).values <= found.min(1).values).all() and left.max() > 0


def test_a_teacher_reads_no_more_than_it_tells_apart(small_catalogue, small_log, small_split):
    read = []

    class Short(Says):
        max_len = 3

        def score_all(self, batch):
            read.append(batch.item.shape[1])
            return super().score_all(batch)

    asked = small_split.train[small_log.history_length(small_split.train) > 0]
    pupil(small_catalogue, Short(small_catalogue)).answers(small_log, asked, 20)
    assert max(read) == 3


def test_every_target_of_a_window_has_the_answer_before_it(
    small_catalogue, small_log, small_split, chain
):
    model = pupil(small_catalogue, chain)
    batches = list(
        model.training_batches(small_log, small_split.train, 16, 5, np.random.default_rng(0))
    )
    count = 0
    for batch in batches:
        items, chances = (part[batch.extra["answer"]] for part in model._answers)
        row, step = (batch.target > 0).nonzero(as_tuple=True)
        histories = Batch(batch.item[row, step][:, None])
        expected = chain.log_chances(histories).exp()  # of order one: the last item says it all
        found = expected.gather(1, items[row, step].long())
        torch.testing.assert_close(chances[row, step].float(), found, rtol=1e-3, atol=1e-6)
        count += len(row)
    assert count == model.num_targets(small_log, small_split.train, 5) > 1000


@pytest.mark.parametrize("other", ["log", "length", "positions"])
def test_they_are_asked_again_about_another_log_or_more_of_it(
    small_catalogue, small_log, small_split, chain, other
):
    """The same positions of another log follow other histories."""
    asked = {"log": small_log, "positions": small_split.train, "length": 5}
    item = np.where(small_log.item % 2, small_log.item, small_log.item - 1)
    changed = {
        "log": dataclasses.replace(small_log, item=item),
        "length": 20,
        "positions": small_split.train[:-1],
    }
    teacher = Ensemble(small_catalogue, Ensemble.Config((), repeats=True))  # sees all that is read
    teacher.members.append(chain)
    model, fresh = (pupil(small_catalogue, teacher) for _ in range(2))
    model.begin_pass(**asked)
    before = model._answers
    model.begin_pass(**asked)
    assert model._answers is before
    for one in (model, fresh):
        one.begin_pass(**asked | {other: changed[other]})
    for found, expected in zip(model._answers, fresh._answers, strict=True):
        assert found.equal(expected)
    assert len(before[0]) != len(found) or not before[1].equal(found)


def test_the_teachers_are_asked_once_a_run(
    small_catalogue, small_log, small_split, chain, monkeypatch
):
    asked, answers = [], Taught.answers

    def noted(model, log, positions, length):
        asked.append(positions)
        return answers(model, log, positions, length)

    monkeypatch.setattr(Taught, "answers", noted)
    fit(pupil(small_catalogue, chain), small_log, small_split, SHORT)
    (positions,) = asked  # two passes, and training positions alone
    held_out = np.r_[small_split.valid, small_split.test]
    assert not np.isin(positions, held_out).any() and len(positions) > 1000


def test_a_wrong_teacher_is_followed_as_far_as_its_share(small_catalogue, small_log, small_split):
    found = {}
    for share in (0.0, 0.3, 1.0):
        model = pupil(
            small_catalogue, Says(small_catalogue), config=dataclasses.replace(CONFIG, share=share)
        )
        fit(model, small_log, small_split, dataclasses.replace(SHORT, epochs=5))
        batch = model.batch(small_log, small_split.test, 20)
        with torch.no_grad():
            said = model.eval().log_chances(batch).exp()[:, 7].mean().item()
        place = ranks(model, small_log, small_split.test, 20)["rank_unmasked"].to_numpy()
        found[share] = said, hr(place, 1).mean()
    # with its share of the probability the wrong item stays behind the right one
    assert found[0.0][0] < 0.1 and found[0.0][1] > 0.6
    assert 0.15 < found[0.3][0] < 0.4 and found[0.3][1] > 0.6
    assert found[1.0][0] > 0.8 and found[1.0][1] < 0.1


# --- the run -----------------------------------------------------------------------------------


def test_a_run_taken_up_again_ends_with_the_same_weights(
    small_catalogue, small_log, small_split, chain, tmp_path, monkeypatch
):
    whole = pupil(small_catalogue, chain)
    fit(whole, small_log, small_split, SHORT)
    learn = loop._Run.learn

    def learn_and_stop(run, batch):
        if run.at.updates == 20:
            raise KeyboardInterrupt
        return learn(run, batch)

    monkeypatch.setattr(loop._Run, "learn", learn_and_stop)
    path = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        fit(pupil(small_catalogue, chain), small_log, small_split, SHORT, path, 0.0)
    monkeypatch.setattr(loop._Run, "learn", learn)
    again = pupil(small_catalogue, chain, seed=1)
    fit(again, small_log, small_split, SHORT, path, 0.0)
    a, b = whole.state_dict(), again.state_dict()
    assert all(a[name].equal(b[name]) for name in a)


@torch.no_grad()
def test_what_is_kept_is_the_encoder_alone(
    small_catalogue, small_log, small_split, chain, tmp_path
):
    model = pupil(small_catalogue, chain)
    model.begin_pass(small_log, small_split.train, 20)
    assert {name.partition(".")[0] for name in model.state_dict()} == {"encoder"}
    spec = {"model": "taught", "config": plain(CONFIG)}
    save_model(model, spec, small_log.items, tmp_path / "model.safetensors")
    loaded, _ = load_model(tmp_path / "model.safetensors")
    batch = model.batch(small_log, small_split.test, 20)
    expected = model.eval().encoder.score_all(batch)
    assert loaded.score_all(batch).equal(expected) and expected[:, 1:].std() > 1e-3
    assert sum(w.numel() for w in model.parameters()) == sum(
        w.numel() for w in model.encoder.parameters()
    )


# --- refusals ----------------------------------------------------------------------------------


def test_nobody_to_teach_is_an_error(small_catalogue, small_log, small_split):
    with pytest.raises(ValueError, match="nobody teaches: call start_from"):
        fit(pupil(small_catalogue), small_log, small_split, SHORT)


@pytest.mark.parametrize("kind", [BERT4Rec, GRU4Rec, PinnerFormer])
def test_an_encoder_of_other_targets_is_refused(small_catalogue, kind):
    with pytest.raises(ValueError, match=f"{kind.__name__} does not learn the next item"):
        Taught(small_catalogue, Taught.Config(kind.Config()))


def test_a_teacher_that_would_find_the_answer_is_refused(small_catalogue):
    memory = Retrieval(small_catalogue, Retrieval.Config(SASREC))
    mixed = Ensemble(small_catalogue, Ensemble.Config((SASREC, Retrieval.Config(SASREC))))
    for teacher in (memory, mixed):
        with pytest.raises(ValueError, match="looks up training histories"):
            pupil(small_catalogue, teacher)


def test_a_teacher_of_other_items_is_refused(small_catalogue):
    fewer = dataclasses.replace(
        small_catalogue, num_items=39, frequency=small_catalogue.frequency[:-1]
    )
    with pytest.raises(ValueError, match="knows 39 items, its pupil 40"):
        pupil(small_catalogue, Says(fewer))


@pytest.mark.parametrize("change", [{"share": -0.1}, {"share": 1.1}, {"kept": 0}])
def test_settings_that_are_none_are_refused(small_catalogue, change):
    with pytest.raises(ValueError, match="share must be from 0 to 1 and kept 1 or more"):
        Taught(small_catalogue, dataclasses.replace(CONFIG, **change))


def test_a_pass_that_was_asked_about_other_positions_is_asked_anew(
    small_catalogue, small_log, small_split, chain
):
    model = pupil(small_catalogue, chain)
    half = Split(small_split.train[:600], small_split.valid, small_split.test)
    for split in (half, small_split):
        model.begin_pass(small_log, split.train, 20)
        assert len(model._answers[0]) == (small_log.history_length(split.train) > 0).sum()
