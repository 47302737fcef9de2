"""Tables that are closed until somebody asks for them."""

import pandas as pd

from seqrec_lib import report
from seqrec_lib.report.dropdowns import Dropdowns

TABLE = report.show(pd.DataFrame({"a": [1]}), "What is seen.")


def test_each_table_is_closed_behind_its_title():
    page = Dropdowns({"one": TABLE, "a < b": TABLE})._repr_html_()
    assert page.count("<details ") == page.count("<caption>") == 2 and " open" not in page
    assert ">one</span>" in page and "a &lt; b" in page


def test_without_a_page_the_tables_are_printed():
    assert repr(Dropdowns({"one": TABLE, "two": TABLE})).count("What is seen.") == 2
