"""What studies keep of committed records stands: it was made of the records as they are now."""

from pathlib import Path

import pytest

from seqrec_lib.data import datasets
from seqrec_lib.records.store import load
from seqrec_lib.studies import by_run, protocols

BOOK = Path(__file__).resolve().parents[2] / "book"
STANDS = {
    "altered": lambda path, record: by_run.about(path, record) is not None,
    "protocols": protocols.stands,
}
KEPT = sorted(path for study in STANDS for path in (BOOK / study).glob("*/*.parquet"))


def test_both_studies_have_files():
    assert {path.parents[1].name for path in KEPT} == set(STANDS)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: "/".join(path.parts[-3:]))
def test_a_committed_file_was_made_of_the_record_as_it_is(path):
    study, dataset, file = path.parts[-3:]
    name, _, seed = file.removesuffix(".parquet").rpartition("-")
    record = load(BOOK / "results" / dataset / name / seed)
    if not datasets.at_hand(record.spec["dataset"]):  # what stands is asked of the data
        pytest.skip(f"{record.spec['dataset']} is not here")
    assert STANDS[study](path, record), f"{path} was made of another record: make it again"
