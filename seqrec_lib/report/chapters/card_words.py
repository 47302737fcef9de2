"""The few words of data cards and model cards that stand nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from seqrec_lib.data import amazon, hm, movielens, online_retail, simulator, tecd
from seqrec_lib.data.simulator import small
from seqrec_lib.data.worlds import stores

SPLITS = {
    "last": "the last event of each user tests",
    "tail": "the last fifth of each user's events tests",
    "time": "what is latest tests",
    "users": "users that training never saw test",
}


@dataclass(frozen=True)
class Data:
    """What a reader has to know of data sets of one origin, and no other file says."""

    title: str
    sets: dict[str, str]  # name among our sources -> what a table calls it
    reader: ModuleType  # whose docstring says what the data are
    cores: str
    clock: str
    caution: str


CARDS = (
    Data(
        "Amazon reviews",
        {"beauty": "Beauty", "toys": "Toys", "sports": "Sports"},
        amazon,
        "users and items of five events or more, by the publisher",
        "days; an edition without times counts places instead",
        "A review is no purchase, and who buys without a word is not there. The order within a day "
        "is the product numbers'. Other users' training events lie later than a user's test event.",
    ),
    Data(
        "T-ECD, real days",
        {"tecd-marketplace": "marketplace, three days"},
        tecd,
        "none",
        "microseconds since a day that was not published, jittered by the publisher",
        "Declared synthetic by its authors. Three days of one domain: nothing slow can be seen. "
        "Most events are views of recommended items.",
    ),
    Data(
        "T-ECD, simulated",
        {"tecd-sim": "marketplace and retail, a tenth"},
        simulator,
        "none",
        "microseconds of the same days",
        "What is found in it is true of the simulation.",
    ),
    Data(
        "MovieLens, small",
        {"movielens_small": "ratings"},
        movielens,
        "users of 20 ratings or more, by the publisher",
        "seconds of the rating, not of the film",
        "Ratings of one sitting stand close in time, whenever the films were seen. No record of "
        "this book is of it: it is there to try things on.",
    ),
    Data(
        "Online Retail",
        {"online_retail": "invoices"},
        online_retail,
        "users of three events or more, when it is loaded",
        "minutes of the invoice; all its lines share one",
        "Many customers are shops themselves. A line with another price or number of pieces is an "
        "event of the same item.",
    ),
    Data(
        "H&M",
        {"hm": "articles", "hm-product": "products", "hm-department": "departments"},
        hm,
        "users of three events or more, when it is loaded; online, for runs with stores",
        "days; what a store sold is taken to be known the next day, which is an assumption",
        "The file behind this book's records is a sample, whole histories of a thousandth of the "
        "customers: intervals are wide.",
    ),
    Data(
        "Shops with stores, simulated",
        {"omni-100": "all visits end a need", "omni-50": "half of them", "omni-0": "none",
         "omni-small": "all, few users"},
        stores,
        "users of five events online or more",
        "seconds; lines of a receipt share one, nothing else ties",
        "What is found in them is true of the simulation.",
    ),
    Data(
        "A small world with a known rule",
        {"simulated": "400 users"},
        small,
        "users of five events or more",
        "days; none tie",
        "For tests and trials alone.",
    ),
)  # fmt: skip


TITLES = {name: words for card in CARDS for name, words in card.sets.items()} | {
    "tecd-marketplace": "T-ECD", "tecd-sim": "T-ECD, simulated", "movielens_small": "MovieLens",
    "online_retail": "Online Retail", "hm": "H&M, articles", "hm-product": "H&M, products",
    "hm-department": "H&M, departments", "omni-100": "shop, visits end needs",
    "omni-50": "shop, half of them do", "omni-0": "shop, none does",
}  # fmt: skip

# what a model is for, and where it ends
USES = {
    "popular": ("a floor under every table, and a list for whoever has no history",
                "one list for all"),
    "recency": ("to see how much a log repeats itself", "names nothing that the user never had"),
    "profile": ("the floor of models that compare categories, genres or brands",
                "knows no item; of users without a taste it names what is popular"),
    "markov": ("the floor for the next item; trained in a second",
               "knows the last one or two items; steps that training never saw fall back"),
    "slit": ("a strong start without passes, seeds or a GPU",
             "solves a matrix of items by items: tens of thousands at most"),
    "svd": ("neighbours of items by counting", "no order, no user"),
    "item2vec": ("neighbours of items, and vectors to start other models with",
                 "answers with neighbours of the last item, whatever came before"),
    "fpmc": ("factorised transitions, or users' tastes, under the same loss as the networks",
             "knows the users that it learned from, and of a history the last item alone"),
    "prme": ("the same by distances in two spaces, where near means likely",
             "what follows what is as far as the other way round, and an item nearest to itself"),
    "gru": ("recurrence under the same loss and schedule as attention",
            "not GRU4Rec: its parts are missing on purpose"),
    "gru4rec": ("the recurrent recommender as its authors train it",
                "made for visits; here a whole history is one"),
    "caser": ("filters over the last few items",
              "sees no further back than its picture; knows the users that it learned from"),
    "nextitnet": ("convolutions that see far back at little cost",
                  "ends where its field ends"),
    "hrnn": ("visits of one user that follow one another",
             "where a visit ends is known only once the next event is seen"),
    "pinnerformer": ("vectors that are made once and used for weeks",
                     "learns from what lies ahead within a window, and from nothing else"),
    "surge": ("to see what a pruned graph of a history does",
              "anew for each candidate: a whole catalogue is slow; few users are ranked"),
    "hstu": ("attention that can count, and that can read time",
             "told when the question is asked, it knows more than other models do"),
    "sasrec": ("the first network to train on a log",
               "reads a fixed number of latest events; scores follow its loss and its schedule"),
    "sasrec-attributed": ("where categories or brands of items are known",
                          "attributes are numbers without names here, and never change"),
    "duorec": ("what contrast adds to SASRec", "stands on our SASRec, not on the authors' network"),
    "bert4rec": ("what filling in from both sides adds to reading forward",
                 "not chosen by a search of its own; few seeds"),
    "pooling": ("what target attention is measured against", "no order and no time"),
    "din": ("candidates that are few: it reads the history anew for each",
            "ranking a whole catalogue is slow; chosen on a sample of items; few seeds"),
    "target-attention": ("what a search of long histories is measured against",
                         "the work of a candidate grows with the length of the history"),
    "sim-hard": ("long histories of items with attributes: its search learns nothing",
                 "what is relevant but of another category is never found"),
    "sim-soft": ("long histories whose items have no attributes",
                 "no different from full attention where histories have k events or fewer"),
    "eta": ("long histories, with a search that compares machine words",
            "few bits find few of the nearest events; angles are told, lengths are not"),
    "twin": ("long histories, and what a user did with each item beside which it was",
             "finding costs a product an event; a count never met in training says nothing"),
    "twin-v2": ("histories so long that like events have to be read as one",
                "learns from one position at a time; clusters are as old as the pass"),
    "dien": ("to see whether the order of what bears on a candidate says more than its sum",
             "a net runs anew for each candidate; learns from a share of the positions in a pass"),
    "tim": ("candidates that are few, where it matters when things were",
            "with intervals it is told when the question is asked; without, places alone"),
    "transact": ("candidates that are few, after the latest minutes of a visit",
                 "a transformer runs anew for each candidate: a whole catalogue is very slow"),
    "store-encoder": ("logs in which several things are bought at once, or in two channels",
                      "the target's own basket is no history"),
    "taught": ("one network in the place of an ensemble, at the cost of one when it answers",
               "its teachers have to be trained first; it errs where they all err"),
    "retrieval": ("what a memory of other histories adds to a trained encoder",
                  "the memory is other people's histories, and goes where the model goes"),
    "ensemble": ("the best lists, where several times the cost is no matter",
                 "every member answers every question"),
    "personalised": ("what a learned chance for each training history adds", "few seeds"),
}  # fmt: skip
