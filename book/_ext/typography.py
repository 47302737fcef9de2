"""Sphinx extension: a minus is no hyphen, and a line never ends between a number and its %."""

import re

from docutils import nodes

AS_WRITTEN = (nodes.literal, nodes.literal_block, nodes.comment, nodes.math, nodes.math_block)


def minus(app, doctree, docname):
    """In glued numbers; the prose is written with the sign."""
    for pasted in doctree.findall(nodes.inline):
        if "pasted-text" in pasted["classes"]:
            for text in list(pasted.findall(nodes.Text)):
                replace(text, re.sub(r"(?<!\w)-(?=\d)", "−", text))


def hold_together(app, doctree, docname):
    """A glued number ends in a node of its own: the text after it begins with the space."""
    for text in list(doctree.findall(nodes.Text)):
        if isinstance(text.parent, nodes.raw):
            if 'class="shown"' in text:  # a table of seqrec_lib.report.show
                replace(text, re.sub(r"(?<=\d) %", "&#160;%", text))
        elif not isinstance(text.parent, AS_WRITTEN):
            replace(text, re.sub(r"((?<=\d)|^) %", "\u00a0%", text))


def replace(text, words):
    if words != text:
        text.parent.replace(text, nodes.Text(words))


def setup(app):
    app.connect("doctree-resolved", minus)
    app.connect("doctree-resolved", hold_together)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
