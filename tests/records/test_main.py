import pytest

from seqrec_lib.models.counts.popular import Popular
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.records import runs
from seqrec_lib.records.__main__ import main
from seqrec_lib.records.recipes import RECIPES
from seqrec_lib.training.loop import Training


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """How often a model was trained, in a project's folder of its own with two quick runs."""
    training = Training(epochs=2, batch_size=128, max_len=20, precision="fp32")
    monkeypatch.setattr(runs, "root", lambda: tmp_path)
    monkeypatch.setitem(RECIPES, "list", ("popular", Popular.Config(), training))
    monkeypatch.setitem(RECIPES, "attention", ("sasrec", SASRec.Config(8, 16, 1), training))
    seen, fit = [], runs.fit
    monkeypatch.setattr(runs, "fit", lambda *given: seen.append(1) or fit(*given))
    return seen


def test_the_command_line_trains_what_has_no_record_and_shows_the_figures(trained, capsys):
    how = ["train", "simulated", "list", "attention", "--seeds", "0", "1", "--epochs", "1"]
    main(how)
    shown = capsys.readouterr().out
    for run in ("list s0", "attention s0", "attention s1"):
        for protocol in ("masked", "unmasked"):
            assert f"simulated {run} {protocol}: HR@10 0." in shown
    assert len(trained) == 3  # two seeds of one model, and one of the model that counts
    main(how)
    assert len(trained) == 3 and capsys.readouterr().out == shown
    main([*how, "--retrain"])
    assert len(trained) > 5 and " -> " in capsys.readouterr().out


def test_an_unknown_command_ends_with_the_usage(capsys):
    with pytest.raises(SystemExit):
        main(["trian"])
    assert "usage: python -m seqrec_lib.records" in capsys.readouterr().err
