"""The adversarial game: non-saturating loss and the R1 penalty.

Sources: Goodfellow et al. 2014 (non-saturating form); Mescheder et al. 2018, "Which Training Methods for GANs do
actually Converge?" (R1). Logits are (N, 1), positive for real.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus


def generator_loss(fake_logits: Tensor) -> Tensor:
    """Mean of −log σ(D(fake)), a scalar."""
    return softplus(-fake_logits).mean()


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Mean of −log σ(D(real)) − log(1 − σ(D(fake))), a scalar."""
    return real_loss(real_logits) + fake_loss(fake_logits)


def real_loss(real_logits: Tensor) -> Tensor:
    """The half of :func:`discriminator_loss` that asks for real pictures: mean of −log σ(D(real))."""
    return softplus(-real_logits).mean()


def fake_loss(fake_logits: Tensor) -> Tensor:
    """The half of :func:`discriminator_loss` that asks for generated ones: mean of −log(1 − σ(D(fake)))."""
    return softplus(fake_logits).mean()


def r1_penalty(real_logits: Tensor, real: Tensor) -> Tensor:
    """Half the mean squared norm of the logits' gradient to ``real`` (N, 3, R, R), a scalar to weigh with gamma."""
    (gradient,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean() * 0.5
