"""Sphinx extension: tables have numbers, and pages what the theme leaves out for those who listen.

In a chapter without a number, tables and figures begin at 1.

A number is the chapter's and the table's, as for figures: it stays when a dropdown opens, and is
the same on the page, in print and in the book as one page. Tables behind tabs are one table.
"""

import re

from docutils import nodes
from sphinx import addnodes

CAPTION = "<caption><span>"
# Sphinx says "list" around entries of a bibliography that are no items of a list to a reader
ENTRY = ('role="doc-biblioentry"', 'role="listitem"')
# the theme's arrow beside a page with pages below it is a button without a name
ARROW = (
    r"(<a [^>]*>\s*)([^<]*)(</a>\s*<details[^>]*>\s*<summary)>",
    r'\1\2\3 aria-label="Below: \2">',
)
PROSE = 40  # characters in a cell of a first column that is no name of its row
LATE = 900  # after the theme has put its functions there


def number_tables(app, doctree, docname):
    """Write "Table 8.1." before the captions of `seqrec_lib.report.show`."""
    chapter, count = chapter_of(app.env, docname), 0
    for node in doctree.findall():
        if isinstance(node, addnodes.start_of_file):  # of the book as one page
            chapter, count = chapter_of(app.env, node["docname"]), 0
        if isinstance(node, nodes.raw) and CAPTION in node.astext():
            parts = re.split("(?=<details )", node.astext())  # tabs are one table, dropdowns not
            for place, part in enumerate(parts):
                count += CAPTION in part
                number = f"<b>Table {chapter}{count}.</b> "
                parts[place] = part.replace(CAPTION, CAPTION + number)
            node[:] = [nodes.Text("".join(parts))]


def chapter_of(env, docname: str) -> str:
    """ "8." for a page of the eighth chapter, nothing for one without a number."""
    return "".join(f"{number}." for number in env.toc_secnumbers.get(docname, {}).get("", ()))


def begin_anew(app, env):
    """Number figures from 1 in chapters without a number, where Sphinx goes on counting."""
    for docname, kinds in env.toc_fignumbers.items():
        if not chapter_of(env, docname):
            for numbers in kinds.values():
                numbers.update({name: (place,) for place, name in enumerate(numbers, 1)})
    return []


def mark_prose(app, doctree, docname):
    """Tables whose rows begin with sentences: on a phone such a column is not held in sight."""
    for table in doctree.findall(nodes.table):
        rows = [row for body in table.findall(nodes.tbody) for row in body.findall(nodes.row)]
        if any(len(row[0].astext()) > PROSE for row in rows):
            table["classes"].append("prose")


def mend(app, page, template, context, doctree):
    context["body"] = re.sub(*ENTRY, context.get("body", ""))
    if tree := context.get("generate_toctree_html"):
        context["generate_toctree_html"] = lambda *a, **given: re.sub(
            *ARROW, str(tree(*a, **given))
        )


def setup(app):
    app.add_js_file("reading.js")
    app.connect("env-get-updated", begin_anew, priority=LATE)
    app.connect("doctree-resolved", number_tables)
    app.connect("doctree-resolved", mark_prose)
    app.connect("html-page-context", mend, priority=LATE)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
