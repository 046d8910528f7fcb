"""What fine-tuning minimises: pure functions, terms over a training step, and their weighted sum."""
