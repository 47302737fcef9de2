"""Sphinx extension: the list of references is labelled as the text cites, [Kang and McAuley, 2018].

Label and citation come from one function of sphinxcontrib-bibtex, so that they cannot drift apart.
"""

from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style as Unsorted
from pybtex.style.labels import BaseLabelStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle
from sphinxcontrib.bibtex.style.template import join, year

CITED = AuthorYearReferenceStyle()  # of the citations: last names, "et al." from three on


def label(entry):
    """What the text cites an entry by, without brackets."""
    names = CITED.person.author_or_editor_or_title(full=False)
    both = join(sep=CITED.author_year_sep)[names, year]
    return both.format_data({"entry": entry, "style": CITED}).render_as("text")


class Labels(BaseLabelStyle):
    def format_labels(self, sorted_entries):
        labels = [label(entry) for entry in sorted_entries]
        if twice := {one for one in labels if labels.count(one) > 1}:
            raise ValueError(f"cited alike in references.bib: {', '.join(sorted(twice))}")
        return labels


class Style(Unsorted):
    default_label_style = "author_year"
    default_sorting_style = "author_year_title"


def setup(app):
    register_plugin("pybtex.style.labels", "author_year", Labels)
    register_plugin("pybtex.style.formatting", "author_year", Style)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
