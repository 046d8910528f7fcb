"""StyleGAN2 in plain PyTorch, and the frozen networks that judge its images."""
