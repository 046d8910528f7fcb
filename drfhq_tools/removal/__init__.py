"""Pictures taken out of a built data set for good, and which training runs saw them."""
