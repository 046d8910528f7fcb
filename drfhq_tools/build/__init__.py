"""From pictures to a data set: look at each, remember what was seen, say what it is, assemble, commit."""
