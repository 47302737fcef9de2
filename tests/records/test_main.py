import pytest
from seqrec_lib.training.__main__ import main

from seqrec_lib.models.counts.popular import Popular
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.records import renewal, runs
from seqrec_lib.records.recipes import RECIPES
from seqrec_lib.training.loop import Training


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """How often a model was trained, in a project's folder of its own with two quick runs."""
    training = Training(epochs=2, batch_size=128, max_len=20, precision="fp32")
    for module in (runs, renewal):
        monkeypatch.setattr(module, "root", lambda: tmp_path)
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


def test_the_command_line_lists_stale_records(trained, monkeypatch, capsys):
    main(["train", "simulated", "list"])
    capsys.readouterr()
    main(["stale"])
    assert capsys.readouterr().out == "every record was made by the code as it stands\n"
    monkeypatch.setattr(renewal, "code_digest", lambda _: "other")
    main(["stale"])
    assert capsys.readouterr().out == "book/results/simulated/list/s0\n"


def test_the_command_line_renews_stale_records_and_names_those_that_differ(
    trained, monkeypatch, capsys
):
    main(["train", "simulated", "list", "attention"])
    history = runs.root() / "book/results/simulated/attention/s0/history.csv"
    history.write_text(history.read_text().replace("1,", "1,4", 1))  # another loss
    monkeypatch.setattr(renewal, "code_digest", lambda _: "other")
    capsys.readouterr()
    main(["renew", "--limit-epochs", "2"])
    differs, same = capsys.readouterr().out.splitlines()
    assert differs.startswith("book/results/simulated/attention/s0 stays stale: trained again: ")
    assert "epoch 1 loss 43." in differs and "epoch 2 valid_hr@10 0." in differs
    assert same == (
        "book/results/simulated/list/s0 renewed: counted and ranked again in full: "
        "all 400 rows equal"
    )
    main(["stale"])
    assert capsys.readouterr().out == "book/results/simulated/attention/s0\n"


def test_an_unknown_command_ends_with_the_usage(capsys):
    with pytest.raises(SystemExit):
        main(["trian"])
    assert "usage: python -m seqrec_lib.records" in capsys.readouterr().err
