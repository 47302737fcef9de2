"""Sphinx extension: a glued number below zero has a minus sign, not a hyphen."""

import re

from docutils import nodes


def minus(app, doctree, docname):
    for pasted in doctree.findall(nodes.inline):
        if "pasted-text" in pasted["classes"]:
            for text in list(pasted.findall(nodes.Text)):
                words = re.sub(r"(?<!\w)-(?=\d)", "−", text)
                if words != text:
                    text.parent.replace(text, nodes.Text(words))


def setup(app):
    app.connect("doctree-resolved", minus)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
