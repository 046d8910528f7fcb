"""A page on which to drop a picture, pick faces, drag how real they get, and take the result away. One worker does what
all tabs ask for, in turn; everything stays in memory and is forgotten with the tab."""
