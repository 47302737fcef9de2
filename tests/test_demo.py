"""The page "Play": opened from disk, played with as a reader would; what it loads and answers by.

That JavaScript gives the library's scores is tested item by item in tests/serving/test_export.py;
here it is held to `score_all` with the weights that are committed, on real histories.
"""

import re
import shutil

import numpy as np
import pytest

from seqrec_lib.data.datasets import load
from seqrec_lib.records.recipes import published
from seqrec_lib.records.runs import model_file
from seqrec_lib.serving.served import Question, Served
from seqrec_lib.training.evaluation import PROTOCOLS
from tests.browser import opened
from tests.demo import (
    ACTS,
    EXPORT,
    ROOT,
    STATIC,
    answered,
    apart,
    contents,
    framed,
    page,
    restored,
    unpacked,
)

DATASET = "movielens_small-shuffled"
NAMES = ["popular", "markov", "gru", "sasrec"]
KEPT = 0.998  # of the items of lists of ten


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    folder = tmp_path_factory.mktemp("play")
    return opened(framed(folder), folder / "chromium")


@pytest.mark.browser
class TestPlaying:
    def test_it_opens_from_disk_without_an_error_and_loads_models_on_a_click(self, played):
        assert played["problems"] == []
        assert not [one for one in played["before"] if "movielens_small" in one]
        assert len([one for one in played["after"] if "movielens_small" in one]) == 5
        assert all(one.startswith("file:") for one in played["after"])

    def test_four_models_answer_side_by_side_with_titles_and_genres(self, played):
        first = played["first"]["lists"]
        assert list(first) == ["popularity", "Markov chain", "GRU-CE", "SASRec"]
        for one in first.values():
            assert len(one["titles"]) == len(one["genres"]) == 10 == len(set(one["titles"]))
            assert all(one["titles"]) and all(one["genres"]) and one["came"] == []
            assert not any(one["heard"])
        assert len({tuple(one["titles"]) for one in first.values()}) == 4
        assert len(played["first"]["history"]) == 6  # the last ones of a longer history

    def test_a_swap_of_the_last_films_moves_who_reads_the_order(self, played):
        first, swapped = played["first"], played["swapped"]
        assert swapped["history"] == first["history"][:-2] + first["history"][:-3:-1]
        before, after = first["lists"], swapped["lists"]
        assert after["popularity"]["titles"] == before["popularity"]["titles"]
        assert not any(after["popularity"]["heard"])
        for name in ("Markov chain", "GRU-CE", "SASRec"):
            now, then = after[name]["titles"], before[name]["titles"]
            assert now != then
            for place, (title, heard) in enumerate(zip(now, after[name]["heard"], strict=True)):
                by = then.index(title) - place if title in then else None
                words = "new" if by is None else f"up {by}" if by > 0 else f"down {-by}"
                assert heard == ("" if by == 0 else f" ({words})")
        assert re.search(r"moved earlier\. popularity: 0 new, 0 moved; Markov", swapped["said"])
        assert swapped["focus"].startswith("Move earlier: ")

    def test_a_film_that_is_removed_is_gone_and_the_focus_stays(self, played):
        was, now = played["first"]["history"], played["removed"]["history"]
        assert now[1:] == [*was[:-2], was[-1]]  # the last but one, and an older one is seen
        assert played["removed"]["focus"].startswith("Remove: ")
        assert played["restored"]["history"] == played["first"]["history"]
        assert titles(played["restored"]) == titles(played["first"])

    def test_under_u_films_of_the_history_may_come_again(self, played):
        whole = set(described(apart(contents(EXPORT)["replay"]["packed"])[0][:-1]))
        masked, unmasked = titles(played["masked"]), titles(played["unmasked"])
        assert masked == titles(played["restored"]) != unmasked
        assert all(whole.isdisjoint(one) for one in masked.values())
        assert not whole.isdisjoint(unmasked["popularity"])

    def test_a_film_is_found_by_words_and_added_at_the_end(self, played):
        assert played["found"][0] == "Matrix, The (1999)"
        assert played["added"]["history"][-1] == "Matrix, The (1999)"
        assert played["added"]["said"].startswith("Matrix, The (1999) added.")

    def test_a_replay_shows_the_event_that_came_and_counts_who_had_it(self, played):
        histories = apart(contents(EXPORT)["replay"]["packed"])
        (came,) = described(histories[0][-1:])
        assert played["came"]["person"].endswith(f"Then came {came}.")
        assert played["came"]["said"].startswith(f"{came} came next.")
        for name, one in played["came"]["lists"].items():
            assert one["came"] == [came] * (came in one["titles"]), name
            assert re.search(r"has rank [\d,]+ of 13,004", one["words"][-1])
        assert "Person 2 of 48" in played["next"]["person"]
        assert not re.search("rank", played["next"]["lists"]["SASRec"]["words"][-1])
        assert played["came"]["top"] == played["next"]["top"]  # longer words push nothing down
        assert (
            played["back"]["person"].startswith("Person 11 of 48")
            and "Then" in (played["back"]["person"])
        )

    def test_who_had_what_came_is_counted_after_the_person_s_own_history(self, played):
        histories = apart(contents(EXPORT)["replay"]["packed"])
        models = restored(EXPORT).values()
        for state, people, said in (("none", 1, "1 person"), ("later", 11, "11 people")):
            own, came = zip(*((one[:-1], one[-1]) for one in histories[:people]), strict=True)
            lists = [zip(came, listed(model, own), strict=True) for model in models]
            hits = [sum(item in items for item, items in one) for one in lists]
            had = zip(played["first"]["lists"], hits, strict=True)
            tally = ", ".join(f"{title} {count}" for title, count in had)
            assert played[state]["tally"].endswith(f"of {said} so far: {tally}.")

    def test_an_empty_history_has_no_list_and_says_so(self, played):
        for one in played["empty"]["lists"].values():
            assert one["titles"] == [] and "No list" in " ".join(one["words"])

    def test_nobody_is_kept_from_it_and_a_phone_is_wide_enough(self, played):
        assert played["barriers"] == []
        assert played["wider"] <= 0 and played["width"] == 390


def titles(seen):
    return {name: one["titles"] for name, one in seen["lists"].items()}


def described(items):
    return [contents(EXPORT)["items"]["titles"][item - 1] for item in items]


@pytest.mark.browser
def test_a_request_to_elsewhere_is_noticed(tmp_path):
    asking = ACTS.replace(
        'part("load").click();',
        """fetch("https://example.com/x");
      part("load").click();""",
    )
    assert any(
        "example.com" in one for one in opened(framed(tmp_path, asking), tmp_path / "c")["problems"]
    )


@pytest.mark.browser
def test_a_missing_file_is_said_and_the_button_can_be_pressed_again(tmp_path):
    lacking = tmp_path / "demo"
    shutil.copytree(STATIC, lacking, ignore=shutil.ignore_patterns("replay.js"))
    acts = """<script>addEventListener("load", () => {
      const button = document.getElementById("seqrec-load");
      button.click();
      setTimeout(() => {
        const said = document.getElementById("seqrec-status").textContent;
        document.documentElement.dataset.report = JSON.stringify([said, button.disabled]);
      }, 5000);
    })</script>"""
    path = page(tmp_path / "p", acts)
    place = tmp_path / "p" / "play.html"
    place.write_text(place.read_text().replace(STATIC.as_uri(), lacking.as_uri()))
    said, disabled = opened(path, tmp_path / "chromium")
    assert "could not be loaded: movielens_small/replay.js is not there" in said and not disabled


# --- what is committed ----------------------------------------------------------------------


def test_what_is_loaded_is_as_small_as_the_page_says_and_has_its_terms_beside_it():
    sizes = [path.stat().st_size for path in EXPORT.glob("*.js")]
    assert len(sizes) == 5 and sum(sizes) < 8e6
    said = re.search(r"Load the four models \((\d+) MB\)", (ROOT / "book" / "play.md").read_text())
    assert round(sum(sizes) / 1e6) == int(said[1])
    terms = (EXPORT / "README.md").read_text()
    for word in ("endorses", "10.1145/2827872", "same conditions", "no commercial use", "warranty"):
        assert word in terms
    for path in EXPORT.glob("*.js"):
        assert "under GroupLens's terms" in path.read_text(encoding="utf-8")[:100]


def test_the_command_of_the_export_is_that_of_make():
    recipe = (ROOT / "Makefile").read_text().split("\ndemo:")[1].split("\n\n")[0]
    command = " ".join(recipe.replace("\\\n", " ").split("-m ", 1)[1].split())
    assert f"python -m {command}" in (EXPORT / "README.md").read_text()


def test_the_export_is_of_the_data_that_are_here():
    log, split = load(DATASET)
    files = contents(EXPORT)
    counts = f"{len(log):,} ratings of {log.num_items:,} films by {log.num_users:,} people"
    assert counts in (ROOT / "book" / "play.md").read_text()
    assert [one["name"] for one in files["items"]["models"]] == NAMES
    learned = [one for history in apart(files["events"]["packed"]) for one in history]
    assert learned == log.item[np.sort(split.train)].tolist()
    histories = apart(files["replay"]["packed"])
    for user, history in zip(files["replay"]["users"], histories, strict=True):
        assert history == log.item[log.offsets[user] : log.offsets[user + 1]].tolist()


def test_what_the_page_says_of_its_models_is_so():
    histories = [one[:-1] for one in apart(contents(EXPORT)["replay"]["packed"])]
    swapped = [[*one[:-2], one[-1], one[-2]] for one in histories]
    names = contents(EXPORT)["items"]["titles"]
    year = np.array([int((re.findall(r"\((\d{4})\)", name) or [0])[-1]) for name in names])
    seen = np.bincount(unpacked(contents(EXPORT)["events"]["packed"], "<u2"))[1:]
    young, old = ((np.lexsort((-seen, year != wanted))[:3] + 1).tolist() for wanted in (2014, 1962))
    kept, medians = {}, {}
    for name, model in restored(EXPORT).items():
        lists = [listed(model, asked) for asked in (histories, swapped)]
        kept[name] = round(np.mean([len({*a} & {*b}) for a, b in zip(*lists, strict=True)]))
        medians[name] = [np.median(year[np.array(one) - 1]) for one in listed(model, [young, old])]
    assert kept == {"popular": 10, "markov": 1, "gru": 8, "sasrec": 5}
    for name in ("gru", "sasrec"):
        assert abs(medians[name][0] - 2014) <= 2 and medians[name][1] < 1970


def listed(model, histories):
    answers = model.answer([Question(one) for one in histories])
    return [one.lists["masked"].items for one in answers]


@pytest.mark.browser
@pytest.mark.parametrize("people", [24, pytest.param(1000, marks=pytest.mark.slow)])
def test_lists_of_javascript_are_those_of_score_all(people, tmp_path):
    log, split = load(DATASET)
    drawn = np.random.default_rng(people).permutation(split.test)[:people]
    starts = log.offsets[log.user_of(drawn)]
    asked = [(log.item[a:p].tolist(), int(log.item[p])) for a, p in zip(starts, drawn, strict=True)]
    found = answered(EXPORT, asked, tmp_path / "p", seconds=600)["answers"]
    for name, model in restored(EXPORT).items():
        assert shared(found, name, model, asked) >= KEPT, name
    for name in NAMES:  # with the weights as they were trained, where these are here
        (spec,) = published(DATASET, name, [0])
        path = model_file(spec.folder(ROOT / "build" / "results"))
        if path.exists():
            full = Served.load(path)
            questions = [(full.items[np.array(one) - 1].tolist(), last) for one, last in asked]
            assert shared(found, name, full, questions) >= KEPT, name


def shared(found, name, model, asked):
    """The least share, of both protocols, of a model's items that JavaScript lists too."""
    answers = model.answer([Question(history, 10, PROTOCOLS) for history, _ in asked])
    number = {raw: i for i, raw in enumerate(model.items.tolist(), 1)}
    shares = []
    for protocol in PROTOCOLS:
        pairs = [
            ({number[raw] for raw in ours.lists[protocol].items}, theirs[protocol][name]["items"])
            for ours, theirs in zip(answers, found, strict=True)
        ]
        shares.append(np.mean([len(a & {one["item"] for one in b}) / len(a) for a, b in pairs]))
    return min(shares)
