"""What the book's own Sphinx extensions add to pages, and leave out."""

import importlib.util
import re
import subprocess
from types import SimpleNamespace

import chapters
import pytest
from docutils import nodes
from sphinx import addnodes

import seqrec_lib


def extension(name):
    spec = importlib.util.spec_from_file_location(name, chapters.ROOT / "book/_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


colophon, offline, one_page = map(extension, ("colophon", "offline", "one_page"))
accessible, typography = map(extension, ("accessible", "typography"))


def configured(url=""):
    return SimpleNamespace(html_theme_options={"repository_url": url}, html_title="Book")


def signed(monkeypatch, commit, url=""):
    monkeypatch.setenv("BOOK_COMMIT", commit)
    config = configured(url)
    colophon.sign(None, config)
    return config.html_theme_options["extra_footer"]


def test_a_page_names_version_and_commit_and_whether_files_have_changed(monkeypatch):
    version = f"Version {seqrec_lib.__version__}"
    assert f"{version}, commit <code>0123abcdef</code>." in signed(monkeypatch, "0123abcdef")
    assert "</code> and changes since." in signed(monkeypatch, "0123abcdef-dirty")
    assert "<" not in signed(monkeypatch, "<script>").split("<code>")[1].split("</code>")[0]


def test_outside_a_checkout_the_version_stands_alone(monkeypatch):
    said = f'<p class="colophon">Version {seqrec_lib.__version__}.</p>'
    assert signed(monkeypatch, "") == signed(monkeypatch, " ") == said
    monkeypatch.delenv("BOOK_COMMIT")
    config = configured()
    colophon.sign(None, config)
    assert config.html_theme_options["extra_footer"] == said


def test_make_asks_git_for_the_commit():
    made = subprocess.run(["make", "-n", "pdf"], capture_output=True, text=True, cwd=chapters.ROOT)
    known = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True,
                           cwd=chapters.ROOT)  # fmt: skip
    assert f'BOOK_COMMIT="{known.stdout.strip()[:10]}' in made.stdout


def test_one_setting_turns_on_every_link_to_the_source(monkeypatch):
    off, on = configured(), configured("https://github.com/someone/book")
    for config in (off, on):
        colophon.link(None, config)
    assert not any(off.html_theme_options[button] for button in colophon.BUTTONS)
    assert "launch_buttons" not in off.html_theme_options
    assert all(on.html_theme_options[button] for button in colophon.BUTTONS)
    assert on.html_theme_options["launch_buttons"]["binderhub_url"].startswith("https://")
    linked = signed(monkeypatch, "0123abcdef-dirty", "https://github.com/someone/book/")
    assert 'href="https://github.com/someone/book/commit/0123abcdef"' in linked


@pytest.mark.parametrize("url", ["github.com/someone/book", "https://github.com", "book"])
def test_a_repository_that_is_no_address_is_refused(url):
    with pytest.raises(ValueError, match="repository.url in _config.yml: .* is not https"):
        colophon.link(None, configured(url))


def page(*children):
    document = nodes.document(None, None)
    document.extend(children)
    return document


def test_a_page_is_described_by_its_finding_in_whole_sentences():
    first = "Averages that differ cannot be compared, whatever else they have in common with us. "
    finding = nodes.admonition("", nodes.paragraph(text=first + "x " * 100), classes=["important"])
    assert colophon.description(page(nodes.paragraph(text="Before."), finding)) == first.strip()
    assert colophon.description(page(nodes.paragraph(text="Four of them:"))) == "Four of them"
    long = colophon.description(page(nodes.paragraph(text="word " * 100)))
    assert len(long) <= colophon.LONGEST and long.endswith("word …")
    cited = nodes.citation("", nodes.paragraph(text="A. Author. A title."))
    assert colophon.description(page(cited)) == colophon.description(page()) == ""


@pytest.mark.parametrize("formula", [nodes.math, nodes.math_block])
def test_mathjax_stays_where_a_formula_is(formula):
    scripts = [
        SimpleNamespace(attributes={"body": "window.MathJax = {}"}),
        SimpleNamespace(attributes={}, filename="mathjax/es5/tex-mml-chtml.js"),
        SimpleNamespace(attributes={}, filename="doctools.js"),
    ]
    for doctree, left in ((page(formula()), 3), (page(nodes.paragraph()), 1), (None, 1)):
        context = {"script_files": list(scripts)}
        offline.drop_mathjax(None, "book/claims", "page.html", context, doctree)
        assert len(context["script_files"]) == left
    assert context["script_files"] == scripts[2:]


def test_on_one_page_every_link_leads_to_the_page_it_means():
    """Two pages have a section of one id, and links to their own and to each other's."""

    def chapter(name, other):
        section = nodes.section(ids=["limits", f"chapter-{name}"])
        section += nodes.reference("", "own", refid="limits")
        section += nodes.reference("", "other", refuri=f"#document-notebooks/{other}#limits")
        section += nodes.reference(
            "", "label", refuri=f"#document-notebooks/{other}#chapter-{other}"
        )
        file = addnodes.start_of_file(docname=f"notebooks/{name}")
        file += section
        return file

    tree = page(chapter("a", "b"), chapter("b", "a"))
    env = SimpleNamespace(
        toc_secnumbers={"notebooks/a": {"": (1,), "#limits": (1, 1)}},
        toc_fignumbers={"notebooks/b": {"figure": {"limits": (2, 1), "alone": (2, 2)}}},
    )
    app = SimpleNamespace(builder=SimpleNamespace(name="singlehtml"), env=env)
    one_page.own_ids(app, tree, "book/index")
    ids = [name for section in tree.findall(nodes.section) for name in section["ids"]]
    assert ids == ["notebooks-a-limits", "chapter-a", "notebooks-b-limits", "chapter-b"]
    links = [link.get("refid") or link["refuri"] for link in tree.findall(nodes.reference)]
    assert links[:3] == ["notebooks-a-limits", "#notebooks-b-limits", "#chapter-b"]
    assert links[3:] == ["notebooks-b-limits", "#notebooks-a-limits", "#chapter-a"]
    assert env.toc_secnumbers == {"notebooks/a": {"": (1,), "#notebooks-a-limits": (1, 1)}}
    figures = env.toc_fignumbers["notebooks/b"]["figure"]
    assert figures == {"notebooks-b-limits": (2, 1), "alone": (2, 2)}
    before = tree.pformat()
    one_page.own_ids(SimpleNamespace(builder=SimpleNamespace(name="html")), tree, "book/index")
    assert tree.pformat() == before


def test_figures_of_a_chapter_without_a_number_begin_at_one():
    numbers = {"with": {"figure": {"a": (8, 1)}}, "without": {"figure": {"b": (6,), "c": (7,)}}}
    env = SimpleNamespace(toc_fignumbers=numbers, toc_secnumbers={"with": {"": (8,)}})
    assert accessible.begin_anew(None, env) == []
    assert numbers["with"]["figure"] == {"a": (8, 1)}
    assert numbers["without"]["figure"] == {"b": (1,), "c": (2,)}


def test_a_table_whose_rows_begin_with_sentences_is_known():
    def table(words):
        entry = nodes.entry("", nodes.paragraph(text=words))
        return nodes.table("", nodes.tgroup("", nodes.tbody("", nodes.row("", entry))))

    page = nodes.section("", table("HRNN"), table("what a row says of itself in a whole sentence"))
    accessible.mark_prose(None, page, "page")
    assert [one["classes"] for one in page] == [[], ["prose"]]


def test_a_default_is_a_name():
    given = "(metric=<function ndcg>, clock=<built-in function monotonic>, names=<factory>)"
    signature, returned = typography.defaults(None, "function", "f", None, None, given, "int")
    assert (signature, returned) == ("(metric=ndcg, clock=monotonic, names=…)", "int")
    assert typography.defaults(None, "module", "m", None, None, None, None) is None


def test_a_head_is_not_broken_within_a_name_or_before_its_per_cent_sign():
    markup = '<table class="shown"><th>rank by GRU-CE</th><th>share, %</th><td>GRU-CE</td></table>'
    page = nodes.section("", nodes.raw("", markup, format="html"))
    typography.hold_together(None, page, "page")
    heads = "<th>rank by GRU&#8209;CE</th><th>share,&#160;%</th>"
    assert page.astext() == markup.replace("<th>rank by GRU-CE</th><th>share, %</th>", heads)


def test_tables_behind_titles_are_numbered_one_by_one_and_tabs_together():
    one = f"<table>{accessible.CAPTION}of one</span></table>"
    output = nodes.raw("", f"<details ><summary></summary>{one}</details>" * 2, format="html")
    tabs = nodes.raw("", f"<div>{one}{one}</div>", format="html")
    page = nodes.section("", output, tabs)
    accessible.number_tables(SimpleNamespace(env=SimpleNamespace(toc_secnumbers={})), page, "page")
    numbers = re.findall(r"<b>Table (\d+)\.</b>", output.astext() + tabs.astext())
    assert numbers == ["1", "2", "3", "3"]
