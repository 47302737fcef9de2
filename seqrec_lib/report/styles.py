"""One colour, marker and name a model through the whole book."""

import re
from collections.abc import Iterable

import numpy as np
from matplotlib.colors import to_hex, to_rgb

# Okabe and Ito's palette: told apart with any colour vision; markers serve readers in grey
_STYLES = {
    "popular": ("#999999", "s", "popularity"),
    "popular-recent": ("#666666", "D", "recent popularity"),
    "profile": ("#B7A58A", "v", "category profile"),
    "recency": ("#CC79A7", "v", "recency"),
    "markov-1": ("#F0C060", "1", "Markov chain, order 1"),
    "markov": ("#E69F00", "^", "Markov chain"),
    "markov-3": ("#A86F00", "2", "Markov chain, order 3"),
    "mf": ("#8A8A5C", "s", "matrix factorisation"),
    "fpmc-last": ("#C2B280", "v", "FPMC, no users"),
    "fpmc": ("#6E7F1E", "d", "FPMC"),
    "prme": ("#9BB53C", "H", "PRME"),
    "gru": ("#56B4E9", "P", "GRU-CE"),
    "gru4rec": ("#0072B2", "X", "GRU4Rec"),
    "rnn": ("#A9CCE3", "v", "RNN, no gates"),
    "lstm": ("#1A5276", "d", "LSTM"),
    "hrnn": ("#148F77", "D", "HRNN"),
    "hrnn-fed": ("#76D7C4", "P", "HRNN, fed at every step"),
    "hrnn-actions": ("#0B5345", "X", "HRNN, actions too"),
    "surge": ("#7E5109", "H", "SURGE"),
    "surge-unpruned": ("#CA9A5B", "h", "SURGE, no pruning"),
    "sasrec-unplaced": ("#E6B0AA", "v", "SASRec, no places"),
    "sasrec-absolute": ("#922B21", "^", "SASRec, places from the oldest"),
    "sasrec-sinusoid": ("#F1948A", "D", "SASRec, sinusoids"),
    "pinnerformer": ("#C0392B", "p", "PinnerFormer"),
    "pinnerformer-softmax": ("#641E16", "P", "PinnerFormer, full softmax"),
    "caser": ("#B03A6E", "D", "Caser"),
    "caser-author": ("#7B2450", "D", "Caser, users and an output table"),
    "caser-user": ("#D48AAE", "v", "Caser, users"),
    "caser-whole": ("#E0559A", "^", "Caser, no pooling"),
    "caser-vertical": ("#C9A0B5", "<", "Caser, vertical filters alone"),
    "caser-horizontal": ("#5E1A3C", ">", "Caser, horizontal filters alone"),
    "nextitnet": ("#00796B", "s", "NextItNet"),
    "hstu": ("#4527A0", "p", "HSTU"),
    "hstu-events": ("#7E57C2", "P", "HSTU, time between events"),
    "hstu-asked": ("#B39DDB", "X", "HSTU, time of the question"),
    "sasrec": ("#D55E00", "o", "SASRec"),
    "duorec": ("#994F00", "D", "DuoRec"),
    "sasrec-retrieval": ("#5D3A9B", "s", "SASRec, retrieval"),
    "sasrec-neighbours": ("#8E44AD", "p", "SASRec, neighbours by name"),
    "duorec-neighbours": ("#BF7F3F", "p", "DuoRec, neighbours by name"),
    "gru-neighbours": ("#7FB8D8", "p", "GRU-CE, neighbours by name"),
    "slit": ("#B8860B", "H", "SLIT"),
    "sasrec-unfrozen": ("#9E6BFF", "<", "SASRec, retrieval, the encoder learns too"),
    "sasrec-patterns": ("#A48BD0", "v", "SASRec, retrieval of patterns"),
    "sasrec-banked": ("#C2185B", "^", "SASRec, retrieval of validation pairs too"),
    "sasrec-wide": ("#F08040", "8", "SASRec, 128 wide"),
    "sasrec-taught": ("#E30B5C", "h", "SASRec, taught"),
    "sasrec-taught-twice": ("#A8003C", "h", "SASRec, taught twice"),
    "sasrec-taught-repeats": ("#FF6F9C", "h", "SASRec, taught, repeats counted"),
    "sasrec-attributed": ("#C0504D", "P", "SASRec, attributes"),
    "sasrec-regenerated": ("#1B7F5C", "d", "SASRec, regenerated data"),
    "sasrec-distinct": ("#0F5C43", "p", "SASRec, regenerated data, each sequence once"),
    "duorec-regenerated": ("#6BA368", "d", "DuoRec, regenerated data"),
    "sasrec-longer": ("#2E9E7B", "v", "SASRec, regenerated data, more passes"),
    "sasrec-personalised": ("#E8895B", "P", "SASRec, regenerated data, DR4SR+"),
    "duorec-retrieval": ("#5B2E00", "X", "DuoRec, retrieval"),
    "gru-retrieval": ("#2F7FA8", "s", "GRU-CE, retrieval"),
    "gru4rec-retrieval": ("#00324F", "<", "GRU4Rec, retrieval"),
    "sasrec-markov": ("#7D6608", "P", "SASRec, Markov chain mixed in"),
    "ensemble": ("#1A1A1A", "*", "ensemble"),
    "ensemble-attributed": ("#6B0F1A", "*", "ensemble, attributes too"),
    "ensemble-repeats": ("#555555", "h", "ensemble, repeats counted"),
    "bert4rec": ("#C9A227", "X", "BERT4Rec"),
    "bert4rec-prefixes": ("#8C7A3D", "P", "BERT4Rec, prefixes"),
    "pooling": ("#7A8B99", "d", "mean pooling and MLP"),
    "pooling-sum": ("#A9B7C0", "d", "sum pooling and MLP"),
    "din": ("#3B5BA5", "D", "DIN"),
    "din-mean": ("#6F8FD9", "<", "DIN, mean"),
    "din-softmax": ("#1B2F6B", ">", "DIN, softmax"),
    "din-dice": ("#9DB4E8", "h", "DIN, Dice"),
    "pooling-50": ("#8D99A6", "v", "mean pooling and MLP, 50 events"),
    "pooling-100": ("#65737E", "<", "mean pooling and MLP, 100 events"),
    "pooling-1000": ("#343D46", ">", "mean pooling and MLP, 1,000 events"),
    "din-50": ("#7C9BE0", "v", "DIN, 50 events"),
    "din-100": ("#5577C8", "<", "DIN, 100 events"),
    "din-1000": ("#132255", ">", "DIN, 1,000 events"),
    "dien": ("#0E6655", "H", "DIEN"),
    "dien-alone": ("#52BE80", "v", "DIEN, no auxiliary loss"),
    "dien-half": ("#239B56", "^", "DIEN, half the auxiliary loss"),
    "dien-released": ("#A3E4C1", "X", "DIEN, gate as released"),
    "attention": ("#2C3E50", "o", "attention to all events"),
    "attention-recent": ("#85929E", "v", "attention, the latest 50 events"),
    "sim-hard": ("#D35400", "s", "SIM, hard search"),
    "sim-hard-same": ("#F0A868", "v", "SIM, hard search, the same genres"),
    "sim-soft": ("#A04000", "D", "SIM, soft search"),
    "sim-soft-drawn": ("#E59866", "X", "SIM, soft search, not learned"),
    "eta": ("#6C3483", "^", "ETA"),
    "eta-32": ("#BB8FCE", "<", "ETA, 32 bits"),
    "eta-256": ("#4A235A", ">", "ETA, 256 bits"),
    "twin": ("#B7950B", "P", "TWIN"),
    "twin-10": ("#F4D96B", "v", "TWIN, 10 events found"),
    "twin-50": ("#D4AC0D", "<", "TWIN, 50 events found"),
    "twin-plain": ("#7D6A1F", "d", "TWIN, no cross features"),
    "twin-elsewhere": ("#F9E79F", "X", "TWIN, another search"),
    "twin-v2": ("#5F4B0A", "p", "TWIN-V2"),
    "twin-v2-unweighted": ("#C7B370", "h", "TWIN-V2, clusters unweighted"),
    "tim": ("#BE1558", "o", "TIM"),
    "tim-intervals": ("#880E4F", "P", "TIM, intervals"),
    "tim-none": ("#F06292", "v", "TIM, no time"),
    "tim-added": ("#E91E8C", "d", "TIM, no product"),
    "tim-bare": ("#F8BBD0", "X", "TIM, neither time nor product"),
    "tim-concatenated": ("#AD4C77", "h", "TIM, codes beside vectors"),
    "tim-50": ("#DE5C93", "<", "TIM, 50 events"),
    "tim-100": ("#D81B60", "^", "TIM, 100 events"),
    "tim-1000": ("#560027", ">", "TIM, 1,000 events"),
    "transact": ("#00838F", "D", "TransAct"),
    "transact-open": ("#4DD0E1", "v", "TransAct, nothing hidden"),
    "sasrec-avge": ("#B5651D", "o", "SASRec, avgE"),
    "sasrec-attne": ("#8B1E3F", "o", "SASRec, attnE"),
    "sasrec-attne-bce": ("#C76D8B", "<", "SASRec, attnE, BCE"),
    "sasrec-deepsets": ("#5C7A29", "v", "SASRec, DeepSets"),
    "sasrec-settransformer": ("#2E4A7D", "^", "SASRec, Set Transformer"),
    "sasrec-lines": ("#D9A441", "s", "SASRec, lines as events"),
    "sasrec-attne-unmarked": ("#B88A9B", "h", "SASRec, attnE, channels unmarked"),
    "gru-lines": ("#8FBCCB", "s", "GRU-CE, lines as events"),
    "gru-avge": ("#6FA8C9", "o", "GRU-CE, avgE"),
    "gru-attne": ("#1F5F7A", "D", "GRU-CE, attnE"),
    "sasrec-bce": ("#009E73", "<", "SASRec, BCE"),
    "bce-regenerated": ("#66C2A5", "d", "SASRec, BCE, regenerated data"),
    "bce-released": ("#3A7D66", "v", "SASRec, BCE, regenerated data as released"),
    "sasrec-gbce": ("#44AA99", ">", "SASRec, gBCE"),
    "sasrec-inner": ("#DDAA33", "h", "SASRec, inner products"),
    "sasrec-sampled": ("#882255", "p", "SASRec, sampled softmax"),
    "gru-pretrained": ("#003F6B", "d", "GRU-CE, pre-trained items"),
    "gru-leaking": ("#9BD3F5", "*", "GRU-CE, leaking items"),
    "sasrec-pretrained": ("#7A3300", "H", "SASRec, pre-trained items"),
    "sasrec-leaking": ("#F4A26B", "8", "SASRec, leaking items"),
    "sasrec-200": ("#AA4466", "<", "SASRec, 200 events"),
    "item2vec": ("#117733", "D", "InfoNCE"),
    "item2vec-256": ("#5FA85F", "v", "InfoNCE, batches of 256"),
    "item2vec-8192": ("#0B4D22", "^", "InfoNCE, batches of 8,192"),
    "item2vec-report": ("#B2A429", "X", "InfoNCE, settings of the report"),
    "svd": ("#332288", "s", "SVD of PMI"),
    "caser-8": ("#4D9221", "^", "Caser, 8 events"),
    "nextitnet-31": ("#7FBC41", ">", "NextItNet, 31 events"),
    "bias": ("#999999", "s", "biases"),
    "time-bias": ("#666666", "D", "biases, time bins"),
    "biased-mf": ("#E69F00", "^", "SVD of ratings"),
    "time-svd": ("#B8860B", "H", "timeSVD"),
    "svdpp": ("#0072B2", "X", "SVD++"),
    "rrn": ("#D55E00", "o", "RRN"),
    "rrn-gru": ("#F08040", "8", "RRN, GRU"),
    "rrn-still-users": ("#AA4466", "<", "RRN, users constant"),
    "rrn-still-items": ("#5D3A9B", ">", "RRN, items constant"),
    "rrn-still": ("#7D6608", "P", "RRN, both constant"),
    "rrn-moving-alone": ("#C76D8B", "v", "RRN, nothing stationary"),
}


def known(name: str) -> str:
    """The run that a model file is named after, seed and data set aside; empty if it is none.

    >>> known("beauty-sasrec-retrieval-s0"), known("mine")
    ('sasrec-retrieval', '')
    """
    stem = re.sub(r"-s\d+$", "", name)
    return max((one for one in _STYLES if f"-{stem}".endswith(f"-{one}")), key=len, default="")


def colour(name: str) -> str:
    return _STYLES.get(name, ("#000000", "o", name))[0]


def ink(shade: str) -> str:
    """The shade for words on white: as dark as they need to be read, 4.5 to 1 (WCAG 2.2, 1.4.3).

    >>> ink("#000000"), ink("#D55E00")
    ('#000000', '#c15500')
    """
    rgb = np.array(to_rgb(shade))

    def contrast() -> float:
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return 1.05 / (float(linear @ (0.2126, 0.7152, 0.0722)) + 0.05)

    while contrast() < 4.5:
        rgb *= 0.98
    return to_hex(tuple(rgb.tolist()))


def marker(name: str) -> str:
    return _STYLES.get(name, ("#000000", "o", name))[1]


def looks(labels: Iterable[str]) -> dict[str, dict[str, str]] | None:
    """Colour and marker of models by their names in the book; None if one is no model's."""
    known = {of: {"color": shade, "marker": sign} for shade, sign, of in _STYLES.values()}
    found = {name: known.get(name) for name in labels}
    return None if None in found.values() else found  # type: ignore[return-value]


def label(name: str) -> str:
    """The name a reader sees."""
    return _STYLES.get(name, ("#000000", "o", name))[2]


def short(name: str, base: str) -> str:
    """The name of what is put around ``base``, beside it: "+ neighbours by name"."""
    return label(name).replace(f"{label(base)}, ", "+ ")
