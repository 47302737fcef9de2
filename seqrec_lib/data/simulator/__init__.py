"""Simulated worlds: small ones whose best answer is known, and T-ECD-shaped ones of any size.

A T-ECD-shaped world has the layout, the words, the defects and the marginals of the real files, and
a structure that is known because it was put in: needs, complements, and a link of known strength
between what people look at online and what they take from a store.
"""

from seqrec_lib.data.simulator.needs import World, interest, need_of, sized
from seqrec_lib.data.simulator.small import small_world
from seqrec_lib.data.simulator.world import DAY_ROWS, Linkage, linkage, write

__all__ = [
    "DAY_ROWS",
    "Linkage",
    "World",
    "interest",
    "linkage",
    "need_of",
    "sized",
    "small_world",
    "write",
]
