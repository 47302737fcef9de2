"""One colour, marker and name a model through the whole book."""

# Okabe and Ito's palette: told apart with any colour vision; markers serve readers in grey
_STYLES = {
    "popular": ("#999999", "s", "popularity"),
    "popular-recent": ("#666666", "D", "recent popularity"),
    "recency": ("#CC79A7", "v", "recency"),
    "markov-1": ("#F0C060", "1", "Markov chain, order 1"),
    "markov": ("#E69F00", "^", "Markov chain"),
    "gru": ("#56B4E9", "P", "GRU-CE"),
    "gru4rec": ("#0072B2", "X", "GRU4Rec"),
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
    "pooling": ("#7A8B99", "d", "mean pooling and MLP"),
    "pooling-sum": ("#A9B7C0", "d", "sum pooling and MLP"),
    "din": ("#3B5BA5", "D", "DIN"),
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
    "item2vec-256": ("#88CC88", "v", "InfoNCE, batches of 256"),
    "item2vec-8192": ("#0B4D22", "^", "InfoNCE, batches of 8,192"),
    "item2vec-report": ("#B2A429", "X", "InfoNCE, settings of the report"),
    "svd": ("#332288", "s", "SVD of PMI"),
    "bias": ("#999999", "s", "biases"),
    "time-bias": ("#666666", "D", "biases in time bins"),
    "biased-mf": ("#E69F00", "^", "biased MF (SVD)"),
    "time-svd": ("#B8860B", "H", "timeSVD"),
    "svdpp": ("#0072B2", "X", "SVD++"),
    "rrn": ("#D55E00", "o", "RRN"),
    "rrn-gru": ("#F08040", "8", "RRN, GRU"),
    "rrn-still-users": ("#AA4466", "<", "RRN, users constant"),
    "rrn-still-items": ("#5D3A9B", ">", "RRN, items constant"),
    "rrn-still": ("#7D6608", "P", "RRN, both constant"),
    "rrn-moving-alone": ("#C76D8B", "v", "RRN, nothing stationary"),
}


def colour(name: str) -> str:
    return _STYLES.get(name, ("#000000", "o", name))[0]


def marker(name: str) -> str:
    return _STYLES.get(name, ("#000000", "o", name))[1]


def label(name: str) -> str:
    """The name a reader sees."""
    return _STYLES.get(name, ("#000000", "o", name))[2]


def short(name: str, base: str) -> str:
    """The name of what is put around ``base``, beside it: "+ neighbours by name"."""
    return label(name).replace(f"{label(base)}, ", "+ ")
