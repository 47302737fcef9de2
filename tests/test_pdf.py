"""The book in one file: what the one page holds, and what is said where it cannot be printed."""

import os
import re
import shutil
import stat
from collections import Counter

import chapters
import pdf
import pytest

ONE = "<html><head><style>p{break-after:page}</style></head><body>%s</body></html>"


@pytest.fixture
def chromium():
    try:
        return pdf.browser()
    except FileNotFoundError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


def pages(path) -> int:
    return len(re.findall(rb"/Type /Page\b", path.read_bytes()))


def test_without_chromium_nothing_is_compiled_and_the_command_says_what_to_install(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "chromium"))
    monkeypatch.setattr("sys.argv", ["pdf.py", "--output", str(tmp_path / "book.pdf")])
    monkeypatch.setattr(pdf, "compiled", lambda *_: pytest.fail("it compiled"))
    with pytest.raises(SystemExit, match="is not there, and prints the book: apt-get install chro"):
        pdf.main()
    assert list(tmp_path.iterdir()) == []


def test_the_usual_names_are_tried_in_turn(monkeypatch, tmp_path):
    monkeypatch.delenv("CHROMIUM", raising=False)
    there = {"google-chrome": "/opt/google-chrome"}
    monkeypatch.setattr(shutil, "which", there.get)
    assert pdf.browser() == "/opt/google-chrome"
    there.clear()
    with pytest.raises(FileNotFoundError, match="^Chromium is not there"):
        pdf.browser()


def test_a_browser_that_prints_nothing_leaves_the_old_file(monkeypatch, tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'no such option' >&2\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CHROMIUM", str(broken))
    (tmp_path / "page.html").write_text(ONE % "")
    (tmp_path / "book.pdf").write_bytes(b"%PDF-old")
    with pytest.raises(RuntimeError, match="broken printed nothing: no such option"):
        pdf.printed(tmp_path / "page.html", tmp_path / "book.pdf")
    assert (tmp_path / "book.pdf").read_bytes() == b"%PDF-old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.pdf", "broken", "page.html"]


@pytest.mark.browser
def test_a_page_is_printed_whole(chromium, tmp_path):
    (tmp_path / "page.html").write_text(ONE % "<p>one</p><p>two</p>three")
    pdf.printed(tmp_path / "page.html", tmp_path / "new" / "book.pdf")
    assert pages(tmp_path / "new" / "book.pdf") == 3


@pytest.mark.slow
@pytest.mark.browser
def test_the_whole_book_is_one_page_whose_links_and_pictures_are_there(chromium, tmp_path):
    page = pdf.compiled(tmp_path)
    text = page.read_text(encoding="utf-8")
    main = text[text.index("<article") : text.index("</article>")]
    ids = Counter(re.findall(r'\sid="([^"]+)"', main))
    assert [name for name, count in ids.items() if count > 1] == []
    inside = re.findall(r'href="#([^"]+)"', main)
    assert len(inside) > 200 and [name for name in inside if name not in ids] == []
    assert not re.findall(r'href="[^"#:]*index.html', main)
    pictures = re.findall(r'<img[^>]* src="([^"]+)"', main)
    assert len(pictures) > 50 and all((page.parent / one).exists() for one in pictures)
    assert all((page.parent / one.split("?")[0]).exists()
               for one in re.findall(r'<link[^>]*href="(_static[^"]+)"', text))  # fmt: skip
    assert "<details class" not in main.replace("<details open class", "")
    listed = re.search(r'<nav class="book-contents">.*?</nav>', main, re.DOTALL)[0]
    for name in chapters.in_order():
        assert f'href="#document-notebooks/{name}"' in listed
    pdf.printed(page, tmp_path / "book.pdf")
    assert pages(tmp_path / "book.pdf") > 100
