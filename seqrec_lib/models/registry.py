"""All models by name."""

from seqrec_lib.models.base import Recommender
from seqrec_lib.models.counts.markov import Markov
from seqrec_lib.models.counts.popular import Popular
from seqrec_lib.models.counts.profile import Profile
from seqrec_lib.models.counts.recency import Recency
from seqrec_lib.models.counts.slit import SLIT
from seqrec_lib.models.counts.svd import SVD
from seqrec_lib.models.encoders.attributed import AttributedSASRec
from seqrec_lib.models.encoders.bert4rec import BERT4Rec
from seqrec_lib.models.encoders.caser import Caser
from seqrec_lib.models.encoders.duorec import DuoRec
from seqrec_lib.models.encoders.fpmc import FPMC
from seqrec_lib.models.encoders.gru import GRU
from seqrec_lib.models.encoders.gru4rec import GRU4Rec
from seqrec_lib.models.encoders.hierarchical import HRNN
from seqrec_lib.models.encoders.hstu import HSTU
from seqrec_lib.models.encoders.item2vec import Item2Vec
from seqrec_lib.models.encoders.nextitnet import NextItNet
from seqrec_lib.models.encoders.pinnerformer import PinnerFormer
from seqrec_lib.models.encoders.prme import PRME
from seqrec_lib.models.encoders.sasrec import SASRec
from seqrec_lib.models.rankers.dien import DIEN
from seqrec_lib.models.rankers.din import DIN
from seqrec_lib.models.rankers.eta import ETA
from seqrec_lib.models.rankers.pooling import Pooling
from seqrec_lib.models.rankers.sim_hard import SIMHard
from seqrec_lib.models.rankers.sim_soft import SIMSoft
from seqrec_lib.models.rankers.surge import SURGE
from seqrec_lib.models.rankers.target_attention import TargetAttention
from seqrec_lib.models.rankers.tim import TIM
from seqrec_lib.models.rankers.transact import TransAct
from seqrec_lib.models.rankers.twin import TWIN
from seqrec_lib.models.rankers.twin_v2 import TWINV2
from seqrec_lib.models.stores.encoder import StoreEncoder
from seqrec_lib.models.wrappers.ensemble import Ensemble
from seqrec_lib.models.wrappers.personalised import Personalised
from seqrec_lib.models.wrappers.retrieval import Retrieval
from seqrec_lib.models.wrappers.taught import Taught

MODELS: dict[str, type[Recommender]] = {
    "popular": Popular,
    "recency": Recency,
    "profile": Profile,
    "markov": Markov,
    "slit": SLIT,
    "gru": GRU,
    "gru4rec": GRU4Rec,
    "hrnn": HRNN,
    "sasrec": SASRec,
    "sasrec-attributed": AttributedSASRec,
    "duorec": DuoRec,
    "bert4rec": BERT4Rec,
    "pinnerformer": PinnerFormer,
    "fpmc": FPMC,
    "prme": PRME,
    "caser": Caser,
    "nextitnet": NextItNet,
    "hstu": HSTU,
    "item2vec": Item2Vec,
    "pooling": Pooling,
    "din": DIN,
    "dien": DIEN,
    "surge": SURGE,
    "target-attention": TargetAttention,
    "sim-hard": SIMHard,
    "sim-soft": SIMSoft,
    "eta": ETA,
    "twin": TWIN,
    "twin-v2": TWINV2,
    "tim": TIM,
    "transact": TransAct,
    "store-encoder": StoreEncoder,
    "retrieval": Retrieval,
    "ensemble": Ensemble,
    "personalised": Personalised,
    "taught": Taught,
    "svd": SVD,
}
