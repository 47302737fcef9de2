"""Sphinx extension: a minus is no hyphen, and a line never ends between a number and its %.

Nor does it end within GRU-CE at the head of a column. Defaults of functions are written as names.
"""

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
                words = re.sub(r"(?<=\d) %|(?<=,) %(?=[^<]*</th>)", "&#160;%", text)
                replace(text, re.sub(r"(?<=[A-Z])-(?=[A-Z][^<]*</th>)", "&#8209;", words))
        elif not isinstance(text.parent, AS_WRITTEN):
            replace(text, re.sub(r"((?<=\d)|^) %", "\u00a0%", text))


def replace(text, words):
    if words != text:
        text.parent.replace(text, nodes.Text(words))


def defaults(app, what, name, obj, options, signature, returned):
    """``metric=ndcg``, not ``metric=<function ndcg>``; "…" is made at each call."""
    if signature:
        signature = re.sub(r"<(?:built-in )?function (\w+)>", r"\1", signature)
        return signature.replace("=<factory>", "=…"), returned


def setup(app):
    app.connect("autodoc-process-signature", defaults)
    app.connect("doctree-resolved", minus)
    app.connect("doctree-resolved", hold_together)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
