"""``python -m seqrec_lib.data.cleaning ROOT OUT``: clean a T-ECD folder."""

from seqrec_lib.data.cleaning import main

main()
