"""A page to look through the faces of a data set and mend it: keep, reject, set labels. Every decision is a line of
``reviews.jsonl``, which the next build applies; nothing else is written."""
