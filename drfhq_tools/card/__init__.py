"""A data-set card for the Hugging Face Hub, from the tables of a built data set.

The report's facts (:mod:`drfhq_tools.report.facts`) in Markdown, below YAML that the Hub understands (``front``), with
the weights that had a part in it (``weights``). What only its maker can say, whom to ask for a removal above all, is
given. After Gebru et al. 2021, "Datasheets for Datasets", and the Hub's own template.
"""

from drfhq_tools.card.text import Maker, card_text

__all__ = ["Maker", "card_text"]
