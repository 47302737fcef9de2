"""Sphinx extension: the book as one page, which headless Chromium prints (`make pdf`).

Sphinx's ``singlehtml`` builder puts the pages one behind the other and leaves their ids as they
are, so that most of its links lead into the first page that has such an id; its page stands in the
folder of the root page, but points to styles and pictures from the top; and it has no contents.
Nothing here touches the other builders.
"""

from collections import Counter
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx import addnodes

BUILDER = "singlehtml"


def adopt(app, doctree, docname):
    """The builder moves nodes without a word to them of their new parents."""
    if app.builder.name == BUILDER:
        for parent in doctree.findall(nodes.Element):
            for child in parent.children:
                child.parent = parent


def own_ids(app, doctree, docname):
    """Give ids that several pages have the page's name, and lead links to the page they mean."""
    if app.builder.name != BUILDER:
        return
    pages = {docname: doctree} | {
        file["docname"]: file for file in doctree.findall(addnodes.start_of_file)
    }
    places = {page: list(own_nodes(tree)) for page, tree in pages.items()}
    seen = Counter(
        name for found in places.values() for name in {n for node in found for n in node["ids"]}
    )
    shared = {name for name, count in seen.items() if count > 1}

    def named(page: str, name: str) -> str:
        return f"{page.replace('/', '-')}-{name}" if name in shared else name

    for page, found in places.items():
        for node in found:
            node["ids"] = [named(page, name) for name in node["ids"]]
            if "refid" in node:
                node["refid"] = named(page, node["refid"])
            if "backrefs" in node:
                node["backrefs"] = [named(page, name) for name in node["backrefs"]]
            target, _, name = node.get("refuri", "").removeprefix("#document-").partition("#")
            if name and target in pages:
                node["refuri"] = "#" + named(target, name)
    rename_numbers(app.env, named)


def own_nodes(tree):
    """The elements of a page, without those of the pages below it."""
    for child in tree.children:
        if isinstance(child, nodes.Element) and not isinstance(child, addnodes.start_of_file):
            yield child
            yield from own_nodes(child)


def rename_numbers(env, named):
    """Numbers of sections and figures go by id."""
    for page, numbers in env.toc_secnumbers.items():
        env.toc_secnumbers[page] = {
            anchor and "#" + named(page, anchor[1:]): number for anchor, number in numbers.items()
        }
    for page, kinds in env.toc_fignumbers.items():
        env.toc_fignumbers[page] = {
            kind: {named(page, name): number for name, number in numbers.items()}
            for kind, numbers in kinds.items()
        }


def complete(app, page, template, context, doctree):
    """A title page, the contents, and everything that a click would open, open."""
    if app.builder.name == BUILDER and doctree is not None:
        body = context["body"].replace("<details", "<details open")
        root = f'<span id="document-{app.config.root_doc}"></span>'  # the others have theirs
        context["body"] = f"{front(app)}{contents(app)}{root}{body}"


def front(app) -> str:
    config = app.config
    state = config.html_theme_options.get("extra_footer", "")
    author = escape(config.author)
    return f'<div class="front"><p>{escape(config.html_title)}</p><p>{author}</p>{state}</div>'


def contents(app) -> str:
    """The parts and their chapters, with links."""
    env, lines = app.env, []
    numbers = env.toc_secnumbers.get(app.config.root_doc, {})  # of all pages, by now
    for part in env.get_doctree(app.config.root_doc).findall(addnodes.toctree):
        if part["caption"]:
            lines.append(f'<p class="part">{escape(part["caption"])}</p>')
        for page in part["includefiles"]:
            number = ".".join(map(str, numbers.get(f"{page}/", ())))
            title = escape(env.titles[page].astext())
            lines.append(f'<p><span>{number}</span> <a href="#document-{page}">{title}</a></p>')
    return f'<nav class="book-contents"><h1>Contents</h1>{"".join(lines)}</nav>'


def move(app, error):
    """The page to the top, where what it points to is."""
    if error is None and app.builder.name == BUILDER:
        page = Path(app.outdir, app.config.root_doc).with_suffix(".html")
        page.replace(Path(app.outdir, "index.html"))


def styles(app):
    if app.builder.name == BUILDER:
        app.add_css_file("pdf.css", priority=900)  # after the book's own


def setup(app):
    app.connect("builder-inited", styles)
    app.connect("doctree-resolved", adopt, priority=100)  # before all who change the text
    app.connect("doctree-resolved", own_ids, priority=900)
    app.connect("html-page-context", complete)
    app.connect("build-finished", move, priority=900)  # after the redirect is written
    return {"parallel_read_safe": True, "parallel_write_safe": True}
