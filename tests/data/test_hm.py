"""Purchases in stores and online: the official columns, a basket a day and channel."""

import pandas as pd
import pytest

from seqrec_lib.data import datasets, files, hm
from seqrec_lib.data.events import EventError

OFFICIAL = """t_dat,customer_id,article_id,price,sales_channel_id
2018-09-20,00a7,0541518023,0.0305,2
2018-09-20,00a7,0108775015,0.0169,1
2018-09-20,00a7,0541518023,0.0305,2
2018-09-21,0f00,0108775015,0.0169,1
2018-09-21,00a7,0663713001,0.0508,2
"""


@pytest.mark.parametrize("end", [".csv", ".parquet"])
def test_the_official_columns_become_events(tmp_path, end):
    path = tmp_path / f"transactions_train{end}"
    path.write_text(OFFICIAL)
    if end == ".parquet":
        rows = pd.read_csv(path, dtype={"customer_id": str}, parse_dates=["t_dat"])
        rows.to_parquet(path)
    table = hm.read(path)
    assert table["user"].tolist() == ["00a7"] * 4 + ["0f00"]
    # of a day the store first; an article bought twice is two events
    assert table["item"].tolist() == [108775015, 541518023, 541518023, 663713001, 108775015]
    assert table["channel"].tolist() == ["store", "online", "online", "online", "store"]
    assert table["basket"].tolist() == [0, 1, 1, 2, 3]
    day = 1_537_401_600
    assert table["time"].tolist() == [day, day, day, day + 86_400, day + 86_400]


def test_events_by_product_and_department(tmp_path, monkeypatch):
    (tmp_path / "hm").mkdir()
    (tmp_path / "hm" / "transactions_train.csv").write_text(OFFICIAL)
    monkeypatch.setenv("SEQREC_DATA", str(tmp_path))
    assert hm.read(level="product")["item"].tolist() == [108775, 541518, 541518, 663713, 108775]
    with pytest.raises(
        EventError, match=f"articles are not here: .* at {tmp_path}/hm/articles.csv"
    ):
        hm.read(level="department")
    listed = "article_id,department_name\n0108775015,Jersey\n0541518023,Shoes\n0663713001,Jersey\n"
    (tmp_path / "hm" / "articles.csv").write_text(listed)
    assert hm.read(level="department")["item"].tolist() == [0, 1, 1, 0, 0]
    with pytest.raises(ValueError, match="level is 'colour'; use one of article, product"):
        hm.read(level="colour")


def test_without_the_official_file_it_is_said_what_a_reader_needs(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQREC_DATA", str(tmp_path))
    words = (
        "rules forbid .* Accept them at https://www.kaggle.*, and put transactions_train.csv at "
    )
    with pytest.raises(EventError, match=words + f"{tmp_path}/hm/"):
        datasets.load("hm")


@pytest.mark.skipif(files.find("hm/transactions.parquet") is None, reason="the sample is not here")
def test_the_sample_has_its_known_size():
    table = hm.read()
    assert len(table) == 31_662 and table["basket"].nunique() == 8_910
    assert (table["channel"] == "store").sum() == 9_197
