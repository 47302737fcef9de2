"""Sphinx extension: no page loads a script from elsewhere, or one that it has no use for.

Jupyter Book always brings sphinx_thebe (live cells on a remote kernel), which puts a CDN's address
on every page. The book has no live cells, so the two steps that write it are taken out. So is
MathJax from pages without a formula, and the source maps of the theme's scripts, which only help
to debug them.
"""

from pathlib import Path

from docutils import nodes

THEBE = ("init_thebe_core", "update_thebe_context")
LATE = 900  # after the extensions that add scripts to a page


def drop_thebe(app, config):
    for listeners in app.events.listeners.values():
        kept = [one for one in listeners if getattr(one.handler, "__name__", "") not in THEBE]
        listeners[:] = kept


def drop_mathjax(app, page, template, context, doctree):
    """Sphinx counts the formulas of all pages below one in the contents; a reader those in it."""
    formulas = (nodes.math, nodes.math_block)
    if doctree is None or not any(isinstance(node, formulas) for node in doctree.findall()):
        scripts = context["script_files"]
        scripts[:] = [one for one in scripts if not is_mathjax(one)]


def is_mathjax(script) -> bool:
    """The script itself, or its settings, which stand on the page."""
    settings = (getattr(script, "attributes", None) or {}).get("body") or ""
    return "mathjax" in str(script).lower() or settings.startswith("window.MathJax")


def drop_maps(app, error):
    if app.builder.format == "html":
        for path in Path(app.outdir, "_static").rglob("*.map"):
            path.unlink()


def setup(app):
    app.connect("config-inited", drop_thebe)
    app.connect("html-page-context", drop_mathjax, priority=LATE)
    app.connect("build-finished", drop_maps)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
