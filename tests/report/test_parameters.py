"""Parameters of chapters: siblings of what people have typed."""

import pytest

from seqrec_lib.report import parameters
from seqrec_lib.report.parameters import ParameterError, begin, check

GOOD = {
    "DATASET": "beauty",
    "SEEDS": [0, 1],
    "EPOCHS": None,
    "DEVICE": "auto",
    "RETRAIN": False,
    "RESULTS": "build/results",
}
LIST = "use a list of different whole numbers"
WRONG = [
    *(("SEEDS", value, LIST) for value in ([], [0, 0], [-1], [True], [0.0], [2**40])),
    *(("SEEDS", value, LIST) for value in (True, 0, "[0]", None)),
    *(("EPOCHS", value, "whole number from 1 on, or None") for value in (0, -2, 1.5, "two", True)),
    *(("RETRAIN", value, "use True or False") for value in ("maybe", "true", 1, None)),
    *(("DEVICE", value, "use auto, cpu") for value in ("tpu", "gpu", "cuda:99", 0)),
    *(("DATASET", value, "use a name such as beauty") for value in ("", None, 7)),
    ("RESULTS", None, "use a folder"),
]


@pytest.mark.parametrize(("name", "value", "remedy"), WRONG)
def test_a_wrong_value_is_one_sentence_with_its_name_and_the_remedy(name, value, remedy):
    with pytest.raises(ParameterError) as refused:
        check({name: value})
    said = str(refused.value)
    assert said.startswith(name) and remedy in said and "\n" not in said and said.count(name) <= 2


@pytest.mark.parametrize("more", [{}, {"EPOCHS": 3, "SEEDS": [7], "DEVICE": "cpu"}])
def test_what_is_right_passes_and_so_does_a_part_of_it(more):
    check(GOOD | more, all_of_them=True)
    check(more)


def notebook(**given):
    """A namespace as IPython has it after the cells of parameters."""
    source = "# Parameters\n" + "\n".join(f"{name} = {value!r}" for name, value in given.items())
    other = {"HTML": object, "_": 1, "names": ["x"], "Out": {}}  # what a live kernel may hold
    return GOOD | other | given | {"In": ["", "DATASET = ...", source]}


def test_a_chapter_opens_with_good_parameters_and_says_nothing(capsys):
    begin(notebook(SEEDS=[3]), written_of="beauty")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["DATASSET", "dataset", "SEED", "epoch", "RESULT"])
def test_a_misspelt_name_is_refused_through_papermill_too(name):
    with pytest.raises(ParameterError, match=f"no parameter {name}|a parameter {name}: .* did you"):
        begin(notebook(**{name: "toys"}), written_of="beauty")


def test_a_name_that_is_like_none_is_refused_with_those_there_are():
    with pytest.raises(ParameterError, match="a parameter batch: known are DATASET, SEEDS, [^?]*$"):
        begin(notebook(batch=8), written_of="beauty")


def test_a_parameter_that_was_renamed_in_its_cell_is_missed_by_name():
    namespace = notebook()
    namespace["DATASSET"] = namespace.pop("DATASET")
    with pytest.raises(ParameterError, match="DATASET is missing.*DATASSET.*did you mean DATASET"):
        begin(namespace, written_of="beauty")


def test_several_wrong_ones_are_told_at_once():
    with pytest.raises(ParameterError, match="SEEDS is 0.*; EPOCHS is 'two'.*; RETRAIN is 'maybe'"):
        check({"SEEDS": 0, "EPOCHS": "two", "RETRAIN": "maybe"})


def test_a_notebook_shows_the_sentence_alone():
    with pytest.raises(ParameterError) as refused:
        check({"EPOCHS": 0})
    (line,) = refused.value._render_traceback_()
    assert line == f"ParameterError: {refused.value}"


def test_words_about_another_data_set_say_so(capsys):
    begin(notebook(DATASET="toys"), written_of="beauty")
    assert "written about beauty; the figures here are of toys" in capsys.readouterr().out


def test_what_is_trained_goes_to_the_file_that_chapters_py_watches(monkeypatch, tmp_path):
    logger = parameters.logging.getLogger("seqrec_lib")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setenv("SEQREC_PROGRESS", str(tmp_path / "told"))
    begin(notebook(), written_of="beauty")
    parameters.logging.getLogger("seqrec_lib.records").info("epoch 1")
    assert (tmp_path / "told").read_text() == "epoch 1\n"
