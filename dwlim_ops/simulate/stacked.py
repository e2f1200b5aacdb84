"""Many small LSTMs of one shape as one computation in torch; the recurrence and its gradient.

    i = sigma(W_i x + U_i h + b_i)      f = sigma(W_f x + U_f h + b_f)
    g = tanh(W_c x + U_c h + b_c)       o = sigma(W_o x + U_o h + b_o)
    c <- i g + f c                      h <- o tanh(c)

(Hochreiter and Schmidhuber 1997 with forget gates; eq. 2-6 of the DWLIM paper, which leaves out
the biases and the input gate.) Gates are ordered i, f, g, o as in `torch.nn.LSTM`.

Layout: the batch is the last axis, so that the gates of one kind are contiguous. The networks of
one control (its seeds) read the same sequences. Dimensions: L steps, C controls, S seeds, H
hidden, F features, B sequences.
"""

from typing import Any

import torch
from torch import Tensor

sigmoid_backward = torch.ops.aten.sigmoid_backward
tanh_backward = torch.ops.aten.tanh_backward


def _tanh(x: Tensor) -> Tensor:
    """tanh(x) = 2 sigma(2x) - 1: torch's sigmoid is four times as fast as its tanh."""
    return torch.mul(x, 2.0).sigmoid_().mul_(2.0).sub_(1.0)


class LastState(torch.autograd.Function):
    """Hidden state after the last step, with the gradient of back-propagation through time.

    Written by hand because the recorded graph of 30 steps costs more than the arithmetic.
    """

    @staticmethod
    def forward(ctx: Any, sequences: Tensor, inputs: Tensor, recurrent: Tensor) -> Tensor:
        """(L, C, F, B), (C, S, 4H, F), (C, S, 4H, H) to (C S, H, B); a bias reads ones."""
        keep = any(ctx.needs_input_grad)
        n_gates, hidden = inputs.shape[2], recurrent.shape[3]
        flat_inputs, flat_recurrent = inputs.flatten(1, 2), recurrent.flatten(0, 1)
        h = sequences.new_zeros(flat_recurrent.shape[0], hidden, sequences.shape[-1])
        c = torch.zeros_like(h)
        trace = []
        for x in sequences:
            z = torch.bmm(flat_inputs, x).view(-1, n_gates, x.shape[-1]).baddbmm_(flat_recurrent, h)
            g = _tanh(z[:, 2 * hidden:3 * hidden])
            i, f, _, o = z.sigmoid_().split(hidden, dim=1)
            previous = h, c
            c = torch.addcmul(f * c, i, g)
            tanh_c = _tanh(c)
            h = o * tanh_c
            if keep:
                trace.append((i, f, g, o, tanh_c, *previous))
        if keep:
            ctx.save_for_backward(sequences, inputs, recurrent)
            ctx.trace = trace
        return h

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of inputs and recurrent; the sequences are data and have none."""
        sequences, inputs, recurrent = ctx.saved_tensors
        d_inputs = torch.zeros_like(inputs).flatten(1, 2)
        d_recurrent = torch.zeros_like(recurrent).flatten(0, 1)
        transposed = recurrent.flatten(0, 1).transpose(1, 2).contiguous()
        d_h, d_c = gradients[0], torch.zeros_like(gradients[0])
        steps = zip(sequences.unbind(), ctx.trace, strict=True)
        for x, (i, f, g, o, tanh_c, h, c) in reversed(list(steps)):
            d_c = d_c + tanh_backward(d_h * o, tanh_c)
            d_z = torch.cat([
                sigmoid_backward(d_c * g, i), sigmoid_backward(d_c * c, f),
                tanh_backward(d_c * i, g), sigmoid_backward(d_h * tanh_c, o),
            ], dim=1)
            by_control = d_z.view(len(inputs), -1, x.shape[-1])
            d_inputs.baddbmm_(by_control, x.transpose(1, 2))
            d_recurrent.baddbmm_(d_z, h.transpose(1, 2))
            d_h, d_c = torch.bmm(transposed, d_z), d_c * f
        return None, d_inputs.view_as(inputs), d_recurrent.view_as(recurrent)


def forward(
    sequences: Tensor, *, inputs: Tensor, recurrent: Tensor, bias: Tensor,
    output: Tensor, output_bias: Tensor,
) -> Tensor:
    """Normalised displacement of the last day of each sequence.

    Parameters
    ----------
    sequences : Tensor (L, C, F, B)
    inputs, recurrent, bias, output, output_bias : Tensor
        (C, S, 4H, F), (C, S, 4H, H), (C, S, 4H), (C, S, H), (C, S).

    Returns
    -------
    Tensor (C, S, B)
    """
    with_one = torch.cat([sequences, torch.ones_like(sequences[:, :, :1])], dim=2)
    with_bias = torch.cat([inputs, bias[..., None]], dim=3)
    state: Tensor = LastState.apply(with_one, with_bias, recurrent)
    by_seed = state.view(*output.shape, -1)
    return (by_seed * output[..., None]).sum(dim=2) + output_bias[..., None]
