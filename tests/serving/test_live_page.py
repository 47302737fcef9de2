"""The live page in a real browser: driven by mouse and keys, at a desk's size and a phone's."""

import asyncio
import json
import threading
import time
from contextlib import contextmanager

import httpx
import numpy as np
import pandas as pd
import pytest
import uvicorn

from seqrec_lib.data.channels import joined
from seqrec_lib.data.log import EventLog
from seqrec_lib.data.simulator import small_world
from seqrec_lib.data.splits import leave_last_out
from seqrec_lib.serving.app import create_app
from seqrec_lib.serving.attention import attention
from seqrec_lib.serving.items import Items
from seqrec_lib.serving.served import Question
from tests.driven import browser

from .test_questions import models_of, shopping

pytestmark = pytest.mark.browser
NAMES = ("markov", "gru", "sasrec")
# what a reader sees: who, their history, the lists, what is marked, and where the focus is
SEEN = """(() => {
  const part = (name) => document.getElementById("seqrec-" + name);
  const texts = (place, what) => [...place.querySelectorAll(what)].map((one) => one.textContent);
  const columns = [...document.querySelectorAll(".seqrec-column")].map((column) => [
    column.querySelector("h4").textContent, {
      titles: texts(column, "li:not([hidden]) .seqrec-title"),
      heard: texts(column, "li:not([hidden]) .seqrec-heard"),
      came: texts(column, "li:not([hidden]).seqrec-came .seqrec-title"),
      under: texts(column, "p").at(-1),
    }]);
  return {
    person: part("person").textContent, said: part("said").textContent,
    state: part("state").textContent, broken: part("broken").textContent,
    history: texts(part("history"), "li .seqrec-title"), lists: Object.fromEntries(columns),
    looked: [...document.querySelectorAll("#seqrec-attention tbody tr")].map(
      (row) => [...row.cells].map((cell) => cell.textContent)),
    tables: Object.fromEntries([...document.querySelectorAll("#seqrec-tables table")].map((one) => [
      one.caption.textContent,
      [...one.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.textContent)),
    ])),
    focus: document.activeElement.id || document.activeElement.ariaLabel,
  };
})()"""
IDLE = "document.getElementById('seqrec-replay').hidden === false"


# as many lines, tables and marks as there are models, of frames that a test makes up
MEASURES = """(() => {
  const models = ["a", "b", "c", "d", "e"].map((name) => ({ name, title: name, colour: "red" }));
  const [root, above, counts] = [0, 0, 0].map(() => document.createElement("div"));
  const shown = window.seqrec.measures(root, above, counts, models);
  const by = (one) => Object.fromEntries(models.map(({ name }) => [name, one]));
  const ms = { p50: 1, p95: 1, p99: 1, n: 1 };
  return (told) => {
    for (const [state, decided] of told) {
      const one = { decided, coverage: 0, "HR@10": [0.1, 0, 0.2], "NDCG@10": [0.1, 0, 0.2] };
      shown.show(decided === null ? { state } : {
        state, counts: { arrived: decided, decided, late: 0, lost: 0 }, drift_psi: null,
        models: by({ masked: one }), model_ms: by(ms), response_ms: ms,
        achieved_per_s: 1, offered_per_s: 1,
      }, "masked");
    }
    return {
      points: above.querySelector("svg > polyline").getAttribute("points"),
      marks: [...above.querySelectorAll(".seqrec-end")].map((one) => +one.getAttribute("x2")),
      end: +above.querySelector(".seqrec-axis").getAttribute("x2"),
      rows: root.querySelectorAll("tbody tr").length, counts: counts.textContent,
    };
  };
})()"""
# every name on the page as one long word, and by how much the page and a table are wider for it
LONG = """(() => {
  const names = "#seqrec-person, .seqrec-title, #seqrec-attention tbody th, #seqrec-add button";
  for (const one of document.querySelectorAll(names)) one.textContent = "long".repeat(50);
  return [document.documentElement, document.querySelector("#seqrec-attention .seqrec-wide")].map(
    ({ scrollWidth, clientWidth }) => scrollWidth - clientWidth);
})()"""


@contextmanager
def serving(models, log=None, port=0):
    """The address of a server of its own thread, and its application; it replays a ``log``."""
    told = {}
    if log is not None:
        split = leave_last_out(log)
        items = Items(log.items, log, split.train)
        told = {"replayed": (log, split), "items": items, "dataset": "small"}
    app = create_app(models, **told)
    config = uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=0)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    end = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < end, "the server did not start"
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/", app
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def server(served, kept):
    with serving([served(name) for name in NAMES], kept("gru")[2]) as found:
        yield found


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


def start(page, server, **how):
    """Open the page, and wait for whom a replay before has left there."""
    page.open(server[0], **how)
    page.until(IDLE)
    monitor = server[1].state.live.monitor
    if monitor is not None and monitor.latest is not None:
        shown(page, monitor.latest)


@pytest.fixture
def apart(chromium):
    """A page that no other test has looked at."""
    page = chromium.another()
    yield page
    page.close()


@pytest.fixture
def page(server, chromium):
    """The page as it opens, nothing playing; it is to have asked nobody else, without an error."""
    address, _ = server
    httpx.post(address + "v1/replay", json={"stop": True})
    chromium.requests.clear()
    chromium.problems.clear()
    start(chromium, server)
    yield chromium
    assert chromium.problems == []
    assert {one[: len(address)] for one in chromium.requests} == {address}


def step(page, server, act=lambda page: page.click("#seqrec-step")):
    """One event more, and what is seen once it is drawn."""
    live = server[1].state.live
    before = decided(live)
    page.value("document.getElementById('seqrec-said').textContent = ''")
    act(page)
    end = time.monotonic() + 30
    while (now := decided(live)) == before or not now[1]:
        assert time.monotonic() < end, "nothing was decided"
        time.sleep(0.02)
    shown(page, live.monitor.latest)
    # the same event may have been there before: this one is told
    page.until(f"(({{said, person}}) => said === person)({SEEN})")
    return page.value(SEEN)


def decided(live):
    return live.monitor, live.monitor and live.monitor.counts["decided"]


def shown(page, latest):
    """Wait until a decision is drawn, to the last of it."""
    count = len(latest["history"])
    events = f"{count} event{'s' * (count > 1)} so far"
    words = f"Person {latest['user']}: {events}. Then came {latest['item']}."
    page.until(f"document.getElementById('seqrec-person').textContent === {json.dumps(words)}")
    page.until("document.querySelectorAll('#seqrec-attention tbody tr').length > 0")


def after(page, act):
    """What is seen once the answer to an act is told."""
    page.value("document.getElementById('seqrec-said').textContent = ''")
    act()
    page.until("document.getElementById('seqrec-said').textContent.includes(' moved')")
    return page.value(SEEN)


def test_a_step_shows_every_model_s_list_and_marks_what_came(page, server):
    live = server[1].state.live
    seen = [step(page, server) for _ in range(4)][-1]
    latest = live.monitor.latest
    assert seen["state"] == "The replay is paused."
    assert seen["person"].endswith(f"Then came {latest['item']}.")
    assert seen["said"] == seen["person"]  # for who hears the page
    assert seen["history"] == [str(one) for one in latest["history"][-6:]]
    assert list(seen["lists"]) == ["Markov chain", "GRU-CE", "SASRec"]
    for name, one in zip(NAMES, seen["lists"].values(), strict=True):
        told = latest["models"][name]["masked"]
        assert one["titles"] == [str(item) for item in told["items"]]
        place = told["rank"]
        assert one["came"] == (
            [str(latest["item"])] if str(latest["item"]) in one["titles"] else []
        )
        words = f"rank {place} of 90" if place else "not in this list|in no list"
        assert any(word in one["under"] for word in words.split("|"))


def test_of_receipts_a_reader_sees_what_was_known_and_who_cannot_be_asked(apart):
    log = joined(shopping(), "known")
    with serving(models_of(log), log) as server:
        start(apart, server)
        live = server[1].state.live
        while live.monitor is None or not any(live.monitor.latest["stores"][-6:]):
            step(apart, server)
        latest = live.monitor.latest
        rows = "[...document.querySelectorAll('#seqrec-history li .seqrec-genres')]"
        drawn = apart.value(f"{rows}.map((one) => one.textContent.startsWith('in a store'))")
        assert drawn == latest["stores"][-6:]
        assert all(len(one["titles"]) == 10 for one in apart.value(SEEN)["lists"].values())
        apart.click("#seqrec-hold")
        seen = after(apart, lambda: apart.click("#seqrec-history button[aria-label^=Remove]"))
        reads, alone, _ = seen["lists"].values()
        assert reads["titles"] == [] and len(alone["titles"]) == 10
        columns = "[...document.querySelectorAll('.seqrec-column')]"
        assert "reads receipts" in apart.value(f"{columns}[0].textContent")


def test_measures_by_model_stand_in_tables(page, server):
    live = server[1].state.live
    page.value("document.getElementById('seqrec-rate').value = '50'")
    page.click("#seqrec-start")
    page.until("!document.getElementById('seqrec-stop').disabled")
    page.value("document.getElementById('seqrec-stop').focus()")
    page.until("document.getElementById('seqrec-state').textContent.includes('to the end')")
    assert page.value(SEEN)["focus"] == "seqrec-start"  # what had it is off now
    page.until("document.querySelector('#seqrec-tables caption').textContent.includes('all deci')")
    tables = page.value(SEEN)["tables"]
    whole = live.frame()
    quality, cold, times = (rows for name, rows in tables.items() if "chance" not in name)
    for name, row in zip(NAMES, quality, strict=True):
        mean, low, high = whole["models"][name]["masked"]["HR@10"]
        assert row[1] == f"{mean:.3f} [{low:.3f}, {high:.3f}]" and row[3] == "60"
    assert len(cold) == 3 and len(times) == 4
    assert float(times[0][1]) > 0 and times[0][2:] == ["too few", "too few", "60"]
    chances = [rows for name, rows in tables.items() if "chance" in name]
    assert len(chances) == 3 and all(len(rows) == 10 for rows in chances)
    assert page.value("document.querySelectorAll('polyline[points*=\",\"]').length") >= 3


def test_measures_are_of_one_replay_and_go_with_it(page):
    def shown(*told):
        return page.value(f"{MEASURES}({json.dumps(told)})")

    one = shown(("playing", 7))
    assert one["points"] and one["rows"] > 0 and one["counts"].startswith("7 events came")
    behind = max(one["marks"]) - float(one["points"].split(",")[0])
    assert len(one["marks"]) == 5 and one["end"] + behind < 640  # as wide as the chart
    assert shown(("playing", 7), ("playing", 8))["points"] == one["points"]
    assert shown(("playing", 7), ("playing", 3))["points"] == ""
    none = shown(("playing", 1), ("idle", None))
    assert none["points"] == none["counts"] == "" and none["rows"] == 0


def test_pausing_stands_still_and_another_speed_holds_from_then_on(page, server):
    live = server[1].state.live
    page.click("#seqrec-start")
    page.until("!document.getElementById('seqrec-pause').disabled")
    page.click("#seqrec-pause")
    page.until("document.getElementById('seqrec-pause').textContent === 'Go on'")
    count = live.monitor.counts["arrived"]
    page.value(
        "(() => { const rate = document.getElementById('seqrec-rate');"
        "rate.value = '50'; rate.dispatchEvent(new Event('change')); })()"
    )
    page.until("document.getElementById('seqrec-said').textContent.startsWith('50')")
    assert live.monitor.counts["arrived"] == count and live.pace.factor == 10
    start(page, server)  # as whoever comes later
    page.until("document.getElementById('seqrec-rate').value === '50'")
    page.until("document.getElementById('seqrec-pause').textContent === 'Go on'")
    page.click("#seqrec-pause")
    page.until("document.getElementById('seqrec-state').textContent.includes('to the end')")
    assert page.value("document.getElementById('seqrec-pause').disabled")


def test_a_changed_history_is_answered_by_all_and_moves_are_marked(page, server, served):
    first = step(page, server)
    last = "#seqrec-history li:last-of-type button"
    swapped = after(page, lambda: page.click(f"{last}[aria-label^='Move earlier']"))
    assert swapped["history"][-2:] == first["history"][:-3:-1]
    whole = [str(one) for one in server[1].state.live.monitor.latest["history"]]
    whole[-2:] = whole[:-3:-1]
    for name, (title, one) in zip(NAMES, swapped["lists"].items(), strict=True):
        (answer,) = served(name).answer([Question(whole)])
        assert one["titles"] == [str(item) for item in answer.lists["masked"].items]
        then = first["lists"][title]["titles"]
        for place, (item, heard) in enumerate(zip(one["titles"], one["heard"], strict=True)):
            by = then.index(item) - place if item in then else None
            words = "new" if by is None else f"up {by}" if by > 0 else f"down {-by}"
            assert heard == ("" if by == 0 else f" ({words})")
    assert "history changed by you" in swapped["person"]
    assert "After their own history came" in swapped["person"]
    assert swapped["focus"].startswith("Move earlier: ")  # the reader's place is kept
    removed = after(page, lambda: page.click(f"{last}[aria-label^='Remove']"))
    assert removed["history"][-1] == swapped["history"][-2]
    page.click("#seqrec-words")
    page.write("1")
    page.until("document.querySelectorAll('#seqrec-add li').length === 8")
    title = page.value("document.querySelector('#seqrec-add li').textContent")
    added = after(page, lambda: page.click("#seqrec-add li button"))
    assert added["history"][-1] == title and added["said"].startswith(f"{title} added.")
    restored = after(page, lambda: page.click("#seqrec-restore"))
    assert restored["history"] == first["history"]
    for title, one in restored["lists"].items():
        assert one["titles"] == first["lists"][title]["titles"]


def test_under_u_what_is_in_the_history_may_come_again(page, server):
    first = step(page, server)
    text = "document.getElementById('seqrec-lists').textContent"
    masked = page.value(text)
    seen = after(page, lambda: page.click("[value=unmasked]"))
    assert page.value(text) != masked
    assert any(set(one["titles"]) & set(first["history"]) for one in seen["lists"].values())


def test_while_the_replay_waits_attention_stays_and_is_explained(page, server):
    looked = step(page, server)["looked"]
    for act in ("[value=unmasked]", "#seqrec-hold", "#seqrec-watch"):
        page.click(act)
        page.until("document.getElementById('seqrec-attention').checkVisibility()")
        time.sleep(0.6)  # two frames
        hidden = "document.querySelector('#seqrec-attention > div').hidden"
        assert not page.value(hidden) and page.value(SEEN)["looked"] == looked
        words = page.value("document.getElementById('seqrec-looking').textContent")
        assert "It is no explanation" in words


def test_a_held_person_is_not_overtaken_and_attention_is_shown(page, served):
    page.click("#seqrec-start")
    page.until("!document.getElementById('seqrec-hold').disabled")
    page.click("#seqrec-hold")
    page.until("document.querySelectorAll('#seqrec-attention tbody tr').length > 0")
    held = page.value(SEEN)
    time.sleep(1.5)  # six frames
    assert page.value(SEEN)["person"] == held["person"] and "held" in held["person"]
    found = attention(served("sasrec"), held["history"])
    mean = [sum(one) / len(one) for one in zip(*found.layers, strict=True)]
    assert [row[1] for row in held["looked"]] == [f"{100 * one:.1f} %" for one in mean]
    assert [row[0] for row in held["looked"]] == held["history"][-5:]  # of those that it reads
    lacking = page.value("document.getElementById('seqrec-attention').textContent")
    assert "GRU-CE: This model has no attention" in lacking
    page.click("#seqrec-watch")
    page.until(
        f"document.getElementById('seqrec-person').textContent !== {json.dumps(held['person'])}"
    )


def test_a_cold_user_s_first_events_come_one_by_one(page, server):
    step(page, server)
    latest = server[1].state.live.monitor.latest
    own = [str(one) for one in (*latest["history"], latest["item"])]
    none = after(page, lambda: page.click("#seqrec-empty"))
    assert "as if new here: 0 events" in none["person"] and none["person"].endswith(f"{own[0]}.")
    assert all(one["titles"] == [] for one in none["lists"].values())
    assert none["focus"] == "seqrec-more"  # what was pressed is off now
    for count in (1, 2, 3):
        seen = after(page, lambda: page.press("Enter"))
        assert seen["history"] == own[:count] and seen["person"].endswith(f"came {own[count]}.")
        assert all(len(one["titles"]) == 10 for one in seen["lists"].values())


def test_all_of_it_can_be_done_by_keys_alone(page, server):
    def reach(name, most=60):
        for _ in range(most):
            page.press("Tab")
            if page.value(SEEN)["focus"] == name:
                return
        raise AssertionError(f"no way to {name} by Tab")

    step(page, server)
    page.value("document.body.tabIndex = -1, document.body.focus()")  # the top of the page
    order = []
    for _ in range(80):
        page.press("Tab")
        if (focus := page.value(SEEN)["focus"]) in order:
            break
        order.append(focus)
    expected = ["seqrec-start", "seqrec-pause", "seqrec-step", "seqrec-stop", "seqrec-rate"]
    assert [one for one in order if one in expected] == expected
    assert "seqrec-words" in order
    # focus is seen
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    page.value("document.getElementById('seqrec-start').focus()")
    reach("seqrec-step")
    assert page.value(outline) == "solid"
    step(page, server, lambda page: page.press("Enter"))
    reach("seqrec-words")
    page.write("10")
    page.until("document.querySelectorAll('#seqrec-add li').length === 8")
    page.press("Tab")
    seen = after(page, lambda: page.press("Enter"))
    assert "added" in seen["said"] and seen["focus"] == "seqrec-words"
    page.value("document.getElementById('seqrec-start').focus()")
    reach("seqrec-step")
    assert "held" not in step(page, server, lambda page: page.press("Enter"))["person"]


def test_a_history_under_the_keys_is_held_while_the_replay_plays(page):
    page.click("#seqrec-start")
    page.until("document.getElementById('seqrec-state').textContent.includes('is playing')")
    page.until("document.querySelector('#seqrec-history li button') !== null")
    page.value("document.querySelector('#seqrec-history li button:not(:disabled)').focus()")
    page.until("document.getElementById('seqrec-person').textContent.includes(', held')")
    assert "so that you can change" in page.value(SEEN)["said"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 390])
def test_nobody_is_kept_from_it(server, page, scheme, width):
    start(page, server, width=width, height=844, color_scheme=scheme)
    step(page, server)
    page.value("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.barriers() == []
    assert (
        page.value("(({scrollWidth: a, clientWidth: b}) => a - b)(document.documentElement)") <= 0
    )
    figures = "document.querySelector('#seqrec-rolling text:nth-of-type(2)')"
    assert page.value(f"{figures}.getBoundingClientRect().height") > 10
    page.click("#seqrec-words")
    page.write("1")
    page.until("document.querySelectorAll('#seqrec-add li').length === 8")
    assert max(page.value(LONG)) <= 0
    ground = page.value("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


def test_who_wants_little_motion_has_few_changes_and_none_that_glides(server, page):
    start(page, server, reduced_motion="reduce")
    page.value("document.getElementById('seqrec-rate').value = '50'")
    page.value(
        "window.drawn = 0; new MutationObserver(() => window.drawn++).observe("
        "document.getElementById('seqrec-person'), {childList: true, characterData: true}), 0"
    )
    page.click("#seqrec-start")
    page.until("document.getElementById('seqrec-state').textContent.includes('to the end')", 30)
    assert 1 <= page.value("window.drawn") <= 4  # of some two seconds and a half, four frames each
    glides = "getComputedStyle(document.querySelector('.seqrec-column li')).transitionDuration"
    assert page.value(glides) == "0s"


def test_all_of_a_history_has_its_titles_while_the_replay_plays(served, apart):
    user = np.repeat(np.arange(50), 30)  # nobody has an item of somebody else's
    log = EventLog.build(pd.DataFrame({"user": user, "item": np.arange(1500), "time": 0}))
    with serving([served("gru")], log) as server:
        start(apart, server)
        live = server[1].state.live
        apart.click("#seqrec-step")
        apart.until("document.querySelectorAll('#seqrec-history li').length === 6")
        apart.click("#seqrec-history .seqrec-more")
        person = apart.value(SEEN)["person"]
        apart.click("#seqrec-pause")
        changed = "document.getElementById('seqrec-person').textContent !== "
        apart.until(changed + json.dumps(person))
        rows = apart.value(
            "[...document.querySelectorAll('#seqrec-history li .seqrec-genres')].map("
            "(one) => one.textContent)"
        )
        assert len(rows) == 29 and all("in training" in one for one in rows)
        hide = (
            "Object.defineProperty(document, 'hidden', {value: %s, configurable: true}),"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        for hidden, count in (("true", 0), ("false", 1)):
            apart.value(hide % hidden)
            end = time.monotonic() + 30
            while len(live.streams) != count:
                assert time.monotonic() < end, f"the page has {len(live.streams)} streams"
                time.sleep(0.02)
        assert apart.problems == []


def test_a_server_that_goes_away_is_told_and_asked_again(served, kept, apart):
    log, text = kept("gru")[2], "document.getElementById('seqrec-%s').textContent"
    lists, models = text % "lists", [served("gru"), served("sasrec")]
    with serving(models, log) as server:
        start(apart, server)
        step(apart, server)
        apart.click("#seqrec-hold")
        port = httpx.URL(server[0]).port
    apart.until(f"{text % 'broken'}.includes('not answer')")
    history = apart.value(SEEN)["history"]
    apart.click("#seqrec-history li:last-of-type button[aria-label^=Remove]")
    apart.until(f"{lists}.includes('No list: the server has not answered')")
    seen = apart.value(SEEN)
    assert seen["history"][-1] == history[-2] and "changed by you" in seen["person"]
    assert not any(one["titles"] for one in seen["lists"].values())
    assert seen["broken"].startswith("The server does not answer")
    apart.click("#seqrec-words")
    apart.write("1")
    found = "document.querySelector('#seqrec-add output').textContent"
    apart.until(f"{found} === 'The server does not answer.'")
    with serving(models, log, port):
        apart.until(f"!{lists}.includes('No list')")
        back = apart.value(SEEN)
        assert back["history"] == seen["history"] and back["broken"] == ""
        assert all(len(one["titles"]) == 10 for one in back["lists"].values())
    with serving(models[:1], log, port):  # other models: another page
        apart.until("document.querySelectorAll('.seqrec-column').length === 1")
        apart.until(IDLE)
    told = ("ERR_", "The server does not answer")
    assert all(any(words in one for words in told) for one in apart.problems)


def test_where_nothing_is_replayed_keys_reach_on_and_an_alert_goes_with_an_answer(served, apart):
    def seek():
        apart.click("#seqrec-words")
        apart.write("10")
        apart.until("document.querySelectorAll('#seqrec-add li').length > 0")

    with serving([served("gru")]) as (address, _):
        apart.open(address)
        assert apart.on_paper("document.querySelector('main').checkVisibility()")
        seek()
        after(apart, lambda: apart.click("#seqrec-add li button"))
        assert apart.value("document.getElementById('seqrec-watch').disabled")
        apart.value("document.getElementById('seqrec-restore').focus()")
        seen = after(apart, lambda: apart.press("Enter"))
        assert seen["history"] == [] and seen["focus"] == "seqrec-words"
        seek()
        port = httpx.URL(address).port
    apart.click("#seqrec-add li button")
    broken = "document.getElementById('seqrec-broken').textContent"
    apart.until(f"{broken} === 'The server does not answer.'")
    assert apart.value("document.getElementById('seqrec-time').textContent") == ""
    with serving([served("gru")], port=port):
        seek()
        seen = after(apart, lambda: apart.click("#seqrec-add li button"))
        assert seen["broken"] == "" and len(seen["history"]) == 2


@pytest.mark.slow
def test_memory_stays_flat_over_five_minutes(served, apart):
    table = small_world(num_users=3000, num_items=90, seed=2)
    items = served("gru").items
    log = EventLog.build(table.assign(item=items[table["item"].to_numpy() % len(items)]))
    with serving([served(name) for name in NAMES], log) as (address, _):
        apart.open(address)
        apart.until(IDLE)
        apart.value("document.getElementById('seqrec-rate').value = '20'")
        apart.click("#seqrec-start")
        found = []
        for _ in range(10):
            time.sleep(30)
            elements = apart.value("document.querySelectorAll('*').length")
            found.append((apart.heap() / 1e6, elements))
        heap, elements = zip(*found, strict=True)
        assert apart.problems == []
        assert max(heap) < 15 and heap[-1] < heap[1] + 1, heap
        assert elements[-1] <= elements[1] + 60, elements  # rows of chances, all there by then
