"""Where raw pictures come from, and what is said of them beside them."""
