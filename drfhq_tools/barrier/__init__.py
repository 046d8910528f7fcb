"""What only all faces together decide: their order, which are copies, who may be one person, the splits."""
