M(r'''
(chapter-failures)=
# 14. Failure modes: where do the models fail, and where does the report say they do?

An average hides who is served badly. Section 7.3 of the report {cite:p}`brian` names four failures in a sentence each, with thresholds and without figures. We cut the test positions of the real marketplace by what was known before each of them, and ask of each sentence whether it is so. Then we ask what the cuts have in common.

You will learn which of the four failures are there, why most cuts turn out to be one and the same, and how little a threshold on attention entropy says. Reading takes fifteen minutes; running it from the stored records takes a minute or two.
''')
C('''
DATASET = "tecd-marketplace"
SEEDS = [0, 1, 2]
EPOCHS = None
DEVICE = "cpu"
RETRAIN = False
RESULTS = "book/results"
''',["parameters"])
C('''
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from myst_nb import glue

from seqrec_lib import failures
from seqrec_lib.data import datasets, segments
from seqrec_lib.metrics.parts import between, contrast, matched, means, quarters
from seqrec_lib.report import style
from seqrec_lib.training.attention import attention
from seqrec_lib.training.runs import run

style()
''')
M(r'''
## What is claimed, and how we measure it

| the report says (lines 419 to 422) | the test |
|---|---|
| "both models failed for users with less than three interactions (HR@10 < 10 %)" | HR@10 at positions with one or two events before them, and popularity at the same positions |
| items with fewer than 50 occurrences are "ignored" in favour of head items | HR@10 by training events of the true item; the share of places in the lists that such items get |
| a change of domain costs 15 to 20 % of accuracy | HR@10 where the domain differs from that of the event before; two domains exist only in the simulation |
| beyond 100 elements attention entropy exceeds 0.8: "attention collapse" | entropy of a SASRec that reads 200 events; what happens if its attention is taken away |

The report's SASRec reads the last 50 events, so it has never met a sequence of more than 100 elements.

All figures are HR@10 with earlier items left in (U), means over the test events of the users of whom every event of the day is tested. Intervals are 95 %, over users with all their events and over seeds; positions of one user are alike, and an interval over positions would be far too narrow.
''')
C('''
log, split = datasets.load(DATASET)
names = ("popular", "recency", "markov", "gru", "sasrec")
runs = [run(DATASET, name, SEEDS, EPOCHS, DEVICE, RETRAIN, RESULTS) for name in names]
at = failures.tested(DATASET, log, split, runs[0])
hits = failures.hits(runs, at)
all_parts = {"all": at.trained >= 0, "repeats": at.repeat, "not repeats": ~at.repeat}
table = means(hits, at.user, all_parts)
for name in names:
    glue(f"all-{name}", float(table[name]["all"].mean), display=False)
    glue(f"repeats-{name}", float(table[name]["repeats"].mean), display=False)
    glue(f"explore-{name}", float(table[name]["not repeats"].mean), display=False)
glue("percent-repeat", float(100 * at.repeat.mean()), display=False)
table
''')
M(r'''
A repeat is an item that the user has already touched in these three days, {glue:text}`percent-repeat:.0f` % of the test events. Recency finds most of them (HR@10 {glue:text}`repeats-recency:.3f`) and hardly anything else ({glue:text}`explore-recency:.3f`, where popularity fills its lists); GRU-CE has {glue:text}`repeats-gru:.3f` and {glue:text}`explore-gru:.3f`, SASRec {glue:text}`repeats-sasrec:.3f` and {glue:text}`explore-sasrec:.3f`. The learned models give up repeats to gain at exploring.

## Cold start

Look at the bars on the left against the dashed line, and at which way they go from there.
''')
C('''
lengths = between(at.earlier, (1, 2, 3, 6, 11, 26, 51, 101, 201, np.inf))
figure, ax = plt.subplots(figsize=(9.5, 3.8))
failures.bars(ax, means(hits, at.user, lengths))
ax.axhline(0.1, color="black", lw=0.8, ls="--")
ax.annotate("10 %", (-0.55, 0.1), ha="right", va="bottom", fontsize=8)
ax.set_xlabel("events of the user before the test event, and number of test events")
ax.legend(fontsize=8)
glue("failure-lengths", figure, display=False)
plt.close(figure)
''')
C('''
cold = {"cold": at.earlier < 3}
few = means(hits, at.user, cold)
over = means({name: hits[name] - hits["popular"] for name in names[1:]}, at.user, cold)
for name in ("popular", "gru", "sasrec"):
    glue(f"cold-{name}", str(few[name]["cold"]), display=False)
for name in ("gru", "sasrec"):
    glue(f"cold-{name}-over", str(over[name]["cold"]), display=False)
glue("cold-events", float(few["events"]["cold"]), display=False)
pd.concat([few, over], keys=["HR@10", "over popularity"])
''')
M(r'''
```{glue:figure} failure-lengths
:name: "figure-failure-lengths"

HR@10 (U) by length of the history, with 95 % intervals over users and seeds. Dashed: what the report says both models stay under on the left.
```

**The claim does not hold, and points the wrong way.** With fewer than three events SASRec has {glue:text}`cold-sasrec`, GRU-CE {glue:text}`cold-gru`, three and a half times the threshold and well above their own averages ({glue:text}`all-sasrec:.3f` and {glue:text}`all-gru:.3f`). Nor is it the models' merit alone: one list for everybody has {glue:text}`cold-popular` on the same {glue:text}`cold-events:,.0f` events. Those who have just arrived look at what everybody looks at. What one or two events add to popularity is {glue:text}`cold-sasrec-over` for SASRec and {glue:text}`cold-gru-over` for GRU-CE. The users served worst are those with the *longest* histories.

## The long tail

On the left items that are new to the user, on the right repeats. Look at how far to the right a model's bars begin.
''')
C('''
figure, panels = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
for ax, what in zip(panels, ("not repeats", "repeats"), strict=True):
    groups = between(np.where(all_parts[what], at.trained, -1), failures.TRAINED)
    failures.bars(ax, means(hits, at.user, groups))
    ax.set(title=what, xlabel="training events of the true item, and number of test events")
panels[0].legend(fontsize=8)
glue("failure-tail", figure, display=False)
plt.close(figure)
''')
C('''
rare = at.trained < failures.RARE
table = means(hits, at.user, {"rare": rare, "rare, no repeat": rare & ~at.repeat, "head": ~rare})
for name in ("recency", "markov", "gru", "sasrec"):
    glue(f"rare-{name}", str(table[name]["rare"]), display=False)
    glue(f"rare-new-{name}", str(table[name]["rare, no repeat"]), display=False)
    glue(f"head-{name}", str(table[name]["head"]), display=False)
glue("percent-rare", float(100 * rare.mean()), display=False)
glue("percent-untrained", float(100 * (at.trained == 0).mean()), display=False)
first = at.frequency[runs[-1].seeds[0].ranks["first"].to_numpy()[at.row]]
glue("percent-first-head", float(100 * (first >= failures.RARE)[rare].mean()), display=False)
table
''')
M(r'''
```{glue:figure} failure-tail
:name: "figure-failure-tail"

HR@10 (U) by training events of the true item, with 95 % intervals over users and seeds.
```

**The claim holds, and is too mild.** Items with fewer than 50 training events are the true ones in {glue:text}`percent-rare:.0f` % of the test events. SASRec finds them with HR@10 {glue:text}`rare-sasrec`, against {glue:text}`head-sasrec` for the rest; where the user has not touched them yet, {glue:text}`rare-new-sasrec`. In {glue:text}`percent-first-head:.0f` % of the cases where a rare item is true, it ranks a head item first. It is not a failure of SASRec alone: GRU-CE has {glue:text}`rare-gru`, the Markov chain {glue:text}`rare-markov`; only recency, which learns nothing, finds rare items ({glue:text}`rare-recency`), as repeats. Part of it no model of item numbers can mend: {glue:text}`percent-untrained:.0f` % of the test events are on items that training has never seen.

## What the lists show

The same from the side of the items. On the left, a curve far up and to the left means that a handful of items fill the lists; the dashed curve is what people went for. On the right, a model on the dashed line shows items of a popularity as often as they are true.
''')
C('''
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
failures.concentration(left, runs, at.frequency)
failures.popularity_bias(right, runs, at.frequency)
left.legend(fontsize=8)
glue("failure-lists", figure, display=False)
plt.close(figure)
shown = failures.lists(runs, at.frequency)
for name, row in zip((*names, "true"), shown.index, strict=True):
    glue(f"rare-shown-{name}", float(100 * shown["rare"][row]), display=False)
    glue(f"coverage-{name}", float(100 * shown["coverage"][row]), display=False)
shown.round(4)
''')
M(r'''
```{glue:figure} failure-lists
:name: "figure-failure-lists"

Left: share of the places in lists of ten that the most shown items hold. Right: share of places over share of test events, by training events of the item (linear below a thousandth).
```

SASRec's lists cover {glue:text}`coverage-sasrec:.1f` % of the catalogue, GRU-CE's {glue:text}`coverage-gru:.1f` %, the Markov chain's {glue:text}`coverage-markov:.1f` %. Rare items hold {glue:text}`rare-shown-sasrec:.1f` % of SASRec's places and {glue:text}`rare-shown-gru:.1f` % of GRU-CE's; of what people went for they are {glue:text}`rare-shown-true:.0f` %.

## Changes of domain, simulated

The real rows are of one domain. In the simulated world each user has an interest of the day that holds in the marketplace and in the supermarket alike, so that what was looked at in one says something about the next item in the other. Relative differences are given as they are, within users who do both, and for targets of the same popularity that are repeats equally often.
''')
C('''
both = {"tecd-marketplace": "tecd-sim"}.get(DATASET, DATASET)
two, parted = datasets.load(both)
pair = [run(both, name, SEEDS[:1], EPOCHS, DEVICE, RETRAIN, RESULTS) for name in names]
there = failures.tested(both, two, parted, pair[0])
found, domain = failures.hits(pair, there), segments.domains(both, two)
switch = segments.switches(two, there.position, domain)
table = means(found, there.user, {"domain stays": ~switch, "domain switches": switch})
for what, group in {"lower by": switch * 0, "same user": there.user, "alike": there.target}.items():
    a, b = matched(switch, ~switch, group)
    table.loc[what, list(names)] = [contrast(found[n], there.user, a, b, True) for n in names]
    glue(f"switch-{what.replace(' ', '-')}-sasrec", f"{table['sasrec'][what]:+.2f}", display=False)
table
''')
C('''
of_item = np.empty(two.num_items + 1, dtype=object)
of_item[two.item] = domain
first = of_item[pair[-1].seeds[0].ranks["first"].to_numpy()[there.row]]
behind = first == domain[there.position - 1]
glue("percent-switch", float(100 * switch.mean()), display=False)
glue("percent-left", float(100 * behind[switch].mean()), display=False)
for name in names:
    glue(f"switch-{name}", f"{table[name]['lower by']:+.2f}", display=False)
''')
M(r'''
**Cannot be run on the real rows; in the simulation the loss is far larger.** The domain changes at {glue:text}`percent-switch:.0f` % of the positions. There SASRec loses {glue:text}`switch-sasrec` of its HR@10 as a share, GRU-CE {glue:text}`switch-gru`, the chain {glue:text}`switch-markov`; popularity loses nothing that we can measure ({glue:text}`switch-popular`). The loss stays within users ({glue:text}`switch-same-user-sasrec`) and among targets alike ({glue:text}`switch-alike-sasrec`). It is a bet and not a blindness: at {glue:text}`percent-left:.0f` % of the changes the item that SASRec ranks first belongs to the domain just left, which is where people stay most of the time. A share of 15 to 20 % would need domains that alternate, or lists that are made a domain each.

## Hours, and users like machines

Training ends four hours before the day that is tested. Look at whether the lines fall over that day, and at the right whether the average rests on a few busy users.
''')
C('''
hour, fast = segments.hour_of_day(log, at.position), segments.busiest_hour(log, at.position)
busy = segments.events_that_day(log, at.position) >= segments.heavy_day(log, split.train)
kinds = {"others": ~busy, "busiest 1 % of days": busy, "60 in an hour": fast >= 60}
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
failures.lines(left, means(hits, at.user, between(hour, range(25))))
failures.bars(right, means(hits, at.user, kinds))
left.set_xlabel("hour of the day")
left.legend(ncols=3, fontsize=8)
glue("failure-hours", figure, display=False)
plt.close(figure)
glue("percent-busy", float(100 * busy.mean()), display=False)
glue("users-busy", float(len(np.unique(at.user[busy]))), display=False)
glue("fastest", float(fast.max()), display=False)
''')
C('''
cuts = {
    "fewer than 3 events, others": (at.earlier < 3, at.earlier >= 3),
    "over 100 events, others": (at.earlier > 100, at.earlier <= 100),
    "from 18:00 on, before 6:00": (hour >= 18, hour < 6),
    "busiest 1 % of days, others": (busy, ~busy),
}
table, groups = pd.DataFrame(index=list(cuts)), {"as is": at.target * 0, "alike": at.target}
for name, how in product(("gru", "sasrec"), groups):
    pairs = [matched(a, b, groups[how]) for a, b in cuts.values()]
    table[f"{name}, {how}"] = [contrast(hits[name], at.user, *pair) for pair in pairs]
for key, row in zip(("cold", "long", "late", "busy"), table.to_dict("records"), strict=True):
    glue(f"{key}-as-is", str(row["sasrec, as is"]), display=False)
    glue(f"{key}-alike", str(row["sasrec, alike"]), display=False)
table
''')
M(r'''
```{glue:figure} failure-hours
:name: "figure-failure-hours"

HR@10 (U) by hour of the test day (bands) and for users with many events (bars: days as busy as the busiest hundredth of training days; users with sixty events within an hour), with 95 % intervals over users and seeds.
```

The learned models fall through the day, and {glue:text}`users-busy:.0f` users with very busy days make {glue:text}`percent-busy:.0f` % of the events and pull every average down. The table compares the sides of four cuts twice: *as is*, and *alike*, with the second side weighted so that its targets are as popular, and as often repeats, as those of the first. **Most of it is the long tail in disguise.** To SASRec, a long history costs {glue:text}`long-as-is` as is and {glue:text}`long-alike` alike; a busy day {glue:text}`busy-as-is` and {glue:text}`busy-alike`; a late hour {glue:text}`late-as-is` and {glue:text}`late-alike`, a remainder that may be the age of what was learned. Even the advantage of those who have just arrived, {glue:text}`cold-as-is`, is {glue:text}`cold-alike` alike. Users with long histories have left the head and browse what few others see. Whether machines are among them we cannot tell: no user tested has more than {glue:text}`fastest:.0f` events in an hour, which a person can do.

## Attention entropy

A SASRec that reads 200 events, trained as the other one. Left: entropy of the attention of the last step, divided by its largest value, so that 1 is a plain mean over all events. The report's threshold is dashed. Right: how HR@10 changes if the trained attention is replaced, by a plain mean everywhere or by the same weights dealt to other events (the entropy stays, the choice is gone), and if only the newest 50 events are read. Below zero, something of use was taken away.
''')
C('''
long = run(DATASET, "sasrec-200", SEEDS[:1], EPOCHS, DEVICE, RETRAIN, RESULTS)
looks = attention(long, runs[-1], RETRAIN)
who = runs[0].examples["user"].to_numpy()[looks.sample["row"]]
earlier, trained = looks.sample["history_length"].to_numpy(), looks.hits["as trained"]
change = {name: hit - trained for name, hit in looks.hits.items() if name != "as trained"}
by_length = between(earlier, (2, 11, 26, 51, 101, 201, np.inf))
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
failures.lines(left, means(looks.heads, who, by_length), "normalised entropy", False, True)
failures.lines(right, means(change, who, by_length), "change of HR@10, U", False, True)
left.axhline(0.8, color="black", lw=0.8, ls="--")
right.axhline(0, color="black", lw=0.8, ls="--")
right.autoscale(axis="y")
for ax in (left, right):
    ax.set_xlabel("events of the user before the test event, and number of sampled events")
    ax.legend(fontsize=8)
''')
C('''
glue("failure-entropy", figure, display=False)
plt.close(figure)
table = means(looks.heads | change, who, {"short": earlier <= 10, "long": earlier > 100})
for number, name in enumerate(looks.heads | change):
    glue(f"attention-short-{number}", str(table[name]["short"]), display=False)
    glue(f"attention-long-{number}", str(table[name]["long"]), display=False)
length = np.digitize(earlier, (11, 26, 51, 101, 201))
target = pd.Series(at.target, at.row)[looks.sample["row"]].to_numpy()
high, low = quarters(np.mean(list(looks.heads.values()), axis=0)[0], length)
for key, group in (("length", length), ("alike", 100 * length + target)):
    apart = contrast(trained, who, *matched(high, low, group))
    glue(f"entropy-{key}", str(apart), display=False)
table.T
''')
M(r'''
```{glue:figure} failure-entropy
:name: "figure-failure-entropy"

SASRec reading 200 events, one seed, as many test events sampled from each length. Left: normalised entropy of each head at the last step. Right: change of HR@10 (U) on the same events when its attention is replaced. Bands: 95 % intervals over users.
```

**The threshold is crossed, and shows no collapse.** Beyond 100 events the four heads have entropies {glue:text}`attention-long-0`, {glue:text}`attention-long-1`, {glue:text}`attention-long-2` and {glue:text}`attention-long-3`: three above 0.8. But with ten events or fewer, where the model does best, they have {glue:text}`attention-short-0`, {glue:text}`attention-short-1`, {glue:text}`attention-short-2` and {glue:text}`attention-short-3`. The first head narrows as histories grow, the others widen a little. At equal length, the quarter of events with the most even attention has *more* hits than the quarter with the least, by {glue:text}`entropy-length`, and by {glue:text}`entropy-alike` among targets alike.

What surprised us is on the right. A plain mean over all events in place of the trained attention changes HR@10 by {glue:text}`attention-short-4` on short histories and by {glue:text}`attention-long-4` on those beyond 100 events: there the model does *better* without its attention, or with its weights dealt at random ({glue:text}`attention-long-5`). Its attention is not too even on long histories; where it chooses, it chooses badly. The events beyond the newest 50 are worth little to it: without them HR@10 changes by {glue:text}`attention-long-6`.

## Three users

From the histories of ten to fifteen events whose next item is new to the user, one is drawn for each case: both models find it, SASRec alone does, neither does. Left, the attention of SASRec's last step in its last layer, a shade a head; right, both models' lists. A triangle marks the true item, a dot one that the user has already seen. Numbers of items are those of T-ECD, anonymised at the source.
''')
C('''
histories = attention(runs[-1], runs[-2], RETRAIN).histories
size = len(histories)
figure, axes = plt.subplots(size, 2, figsize=(10, 3.1 * size), squeeze=False, layout="constrained")
for (left, right), look in zip(axes, histories, strict=True):
    failures.history(left, right, look)
axes[0, 0].legend(fontsize=8)
glue("failure-histories", figure, display=False)
plt.close(figure)
''')
M(r'''
```{glue:figure} failure-histories
:name: "figure-failure-histories"

Three histories, what SASRec attends to, and the lists of SASRec and GRU-CE (U).
```

Both models fill much of their lists with what the user has seen, and with the same popular items besides.

## What we asked, what we saw, what it does not show

We asked whether the four failures of the report are there. Of the four, one is: rare items are not found, by any model that learns (SASRec {glue:text}`rare-sasrec`). Cold start is where the models do well, at {glue:text}`cold-sasrec` instead of under .1; entropy above its threshold goes with hits rather than misses; a change of domain can only be simulated here, and there costs far more than 15 to 20 %.

It does not show what the report's own models did: its window has other days and a supermarket, its catalogue is cut by the leak of [the next chapters](claims), and it counts other positions. Three days are few, a simulated change of domain is as hard as the simulation makes it, and the model of 200 events was trained from one seed with the settings of the one that reads 50.
''')
