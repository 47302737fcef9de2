"""Invoices as events: what is left out is counted, what stays keeps its basket."""

import logging

import pytest

from seqrec_lib.data import datasets, files, online_retail
from seqrec_lib.data.events import EventError

SHEET = """InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536367,84879,CAF\xc9 SIGN,6,12/2/2010 8:34,1.69,13047,United Kingdom
536365,85123A,HEART,6,12/1/2010 8:26,2.55,17850,United Kingdom
536365,71053,LANTERN,6,12/1/2010 8:26,3.39,17850,United Kingdom
536365,85123A,HEART,2,12/1/2010 8:26,2.55,17850,United Kingdom
C536379,71053,LANTERN,-1,12/1/2010 9:41,3.39,17850,United Kingdom
536414,22139,,56,12/1/2010 11:52,0,,United Kingdom
C536391,22556,PLASTERS,-12,12/1/2010 10:24,1.65,,United Kingdom
"""


@pytest.fixture
def sheet(tmp_path):
    path = tmp_path / "OnlineRetail.csv"
    path.write_text(SHEET, encoding="latin-1")
    return path


def test_cancellations_and_lines_without_a_customer_are_left_out_aloud(sheet, caplog):
    with caplog.at_level(logging.WARNING):
        table = online_retail.read(sheet)
    words = "7 lines, of which 2 are cancellations and 1 have no customer; 4 events"
    assert words in caplog.text
    assert table["user"].tolist() == [13047, 17850, 17850, 17850]
    # an article on two lines is two events, in the order of the invoice
    assert table["item"].tolist() == ["84879", "85123A", "71053", "85123A"]
    assert table["basket"].tolist() == ["536367", *["536365"] * 3]
    assert table["time"].tolist() == [1_291_278_840, *[1_291_191_960] * 3]


def test_what_kind_of_thing_an_article_is_stands_last_in_its_commonest_description(sheet):
    table = online_retail.attributes(sheet)
    sold = sorted(set(online_retail.read(sheet)["item"]))
    assert sold == ["71053", "84879", "85123A"]
    assert table.tolist() == [[0], [2], [3], [1]]  # heart, lantern, sign


@pytest.mark.parametrize(
    ("description", "kind"),
    [
        ("WHITE HANGING HEART T-LIGHT HOLDER", "HOLDER"),
        ("4 VANILLA BOTANICAL CANDLES", "CANDLE"),
        ("BOTTLE BAG RETROSPOT ", "BAG"),
        ("GARLAND WITH STARS AND BELLS", "GARLAND"),
        ("Hand towel pale blue w flowers", "TOWEL"),
        ("RED DRAWER KNOB ACRYLIC EDWARDIAN. 1454", "EDWARDIAN"),
        ("GIN AND TONIC GLASS", "GLASS"),
        ("BLUE", ""),
        ("", ""),
    ],
)
def test_a_kind_is_one_word_without_colour_or_size(description, kind):
    assert online_retail._kind(description) == kind


def test_a_sheet_without_its_columns_is_refused_by_name(tmp_path):
    (tmp_path / "a.csv").write_text("Invoice,StockCode\n1,2\n")
    with pytest.raises(EventError, match="no column .'CustomerID', 'InvoiceDate', 'InvoiceNo'.;"):
        online_retail.read(tmp_path / "a.csv")


def test_without_a_file_it_is_said_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQREC_DATA", str(tmp_path))
    assert not datasets.at_hand("online_retail-tail")
    with pytest.raises(EventError, match=r"fetch it from https://archive.* as .*OnlineRetail.csv"):
        datasets.load("online_retail")


@pytest.mark.skipif(files.find(online_retail.FILES[0]) is None, reason="the file is not here")
def test_the_real_invoices_have_their_published_size():
    table = online_retail.read()
    assert len(table) == 397_924
    assert table[["basket", "user", "item"]].nunique().tolist() == [18_536, 4_339, 3_665]
    kinds = online_retail.attributes()[1:, 0]  # of nine articles nothing is said but a colour
    assert (len(kinds), (kinds == 0).sum()) == (3_665, 9) and len(set(kinds.tolist())) > 700
