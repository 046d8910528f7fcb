"""Adversarial training, from nothing (pretrain) or from a source generator with identity kept (finetune)."""
