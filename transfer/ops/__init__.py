"""The three operations StyleGAN2 adds to convolution: pure functions in plain PyTorch, for any device."""
