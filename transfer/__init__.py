"""Fine-tune StyleGAN2 on a manifest of rendered faces with identity kept, and decode renders as realistic portraits.

Images in this package are NCHW float in [-1, 1], RGB, FFHQ-aligned squares; the one place that converts to and from
the HWC uint8 of :mod:`drfhq_tools` is :mod:`transfer.data`.
"""

__version__ = "0.1.0"
