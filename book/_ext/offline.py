"""Sphinx extension: no page loads a script from elsewhere.

Jupyter Book always brings sphinx_thebe (live cells on a remote kernel), which puts a CDN's address
on every page. The book has no live cells, so the two steps that write it are taken out.
"""

THEBE = ("init_thebe_core", "update_thebe_context")


def drop_thebe(app, config):
    for listeners in app.events.listeners.values():
        kept = [one for one in listeners if getattr(one.handler, "__name__", "") not in THEBE]
        listeners[:] = kept


def setup(app):
    app.connect("config-inited", drop_thebe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
