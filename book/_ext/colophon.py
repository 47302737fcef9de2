"""Sphinx extension: what a page says of itself: what it is about, its state, where it comes from.

The state is the version, and the commit that ``BOOK_COMMIT`` names; make asks git for it, with
``-dirty`` behind it if files have changed since. Outside a checkout the version stands alone.

``repository.url`` in _config.yml turns on links to the source: repository, issues, edit, Binder.
"""

import os
import re
from html import escape
from urllib.parse import urlsplit

from docutils import nodes

from seqrec_lib import __version__

LONGEST = 200  # characters of a description; search engines cut there
BUTTONS = ("use_repository_button", "use_issues_button", "use_edit_page_button")


def sign(app, config):
    """The footer of every page."""
    commit = os.environ.get("BOOK_COMMIT", "").strip()
    sha = commit.removesuffix("-dirty")
    said = f"<code>{escape(sha)}</code>"
    if url := config.html_theme_options.get("repository_url"):
        said = f'<a href="{escape(url.rstrip("/"))}/commit/{escape(sha)}">{said}</a>'
    changed = " and changes since" if commit != sha else ""
    words = f"Version {escape(__version__)}" + (f", commit {said}{changed}" if commit else "")
    config.html_theme_options["extra_footer"] = f'<p class="colophon">{words}.</p>'


def name(app, config):
    """The title beside the logo, which says no more than it."""
    config.html_theme_options["logo"] = {"text": config.html_title, "alt_text": ""}


def link(app, config):
    """Turn the links to the source on if there is a repository, and off if there is none."""
    options = config.html_theme_options
    url = options.get("repository_url") or ""
    if url and (urlsplit(url).scheme != "https" or not urlsplit(url).path.strip("/")):
        raise ValueError(f"repository.url in _config.yml: {url!r} is not https://HOST/OWNER/NAME")
    options.update(dict.fromkeys(BUTTONS, bool(url)))
    if url:
        binder = {"binderhub_url": "https://mybinder.org", "notebook_interface": "jupyterlab"}
        options["launch_buttons"] = binder


def describe(app, page, template, context, doctree):
    """A page's description, for search engines and previews: its finding, or how it begins."""
    if doctree is not None:
        words = description(doctree) or f"{app.env.titles[page].astext()}: {app.config.html_title}"
        tag = f'<meta name="description" content="{escape(words)}" />'
        context["metatags"] = f"{context.get('metatags') or ''}\n{tag}"


def description(doctree: nodes.document) -> str:
    """The first paragraph in the box of the key finding, or of the page; whole sentences, if some
    fit. A list of references has none.
    """
    boxes = [box for box in doctree.findall(nodes.Admonition) if "important" in box["classes"]]
    paragraphs = [one for place in (*boxes[:1], doctree) for one in place.findall(nodes.paragraph)]
    if not paragraphs or isinstance(paragraphs[0].parent, nodes.citation):
        return ""
    words = " ".join(paragraphs[0].astext().split()).rstrip(":")
    if len(words) <= LONGEST:
        return words
    sentences = re.match(rf"(.{{80,{LONGEST - 1}}}[.?!])\s", words)  # no stub of one or two words
    return sentences[1] if sentences else words[: LONGEST - 1].rsplit(" ", 1)[0] + " …"


def setup(app):
    app.connect("config-inited", name)
    app.connect("config-inited", link)
    app.connect("config-inited", sign)
    app.connect("html-page-context", describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
