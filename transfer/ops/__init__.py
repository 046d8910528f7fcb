"""The three operations StyleGAN2 adds to convolution, as pure functions in plain PyTorch: any device, any autograd order."""
