"""Does it hold? Portraits through a run, recipes against one another: figures by group, tables, pages."""
