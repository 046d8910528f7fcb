"""Figures that judge a generator or a translation; nothing here is trained on."""
