"""Many small LSTMs of one shape as one computation in torch; the recurrence and its gradient.

    i = sigma(W_i x + U_i h + b_i)      f = sigma(W_f x + U_f h + b_f)
    g = tanh(W_c x + U_c h + b_c)       o = sigma(W_o x + U_o h + b_o)
    c <- i g + f c                      h <- o tanh(c)

(Hochreiter and Schmidhuber 1997 with forget gates; eq. 2-6 of the DWLIM paper, which leaves out
the biases and the input gate.) Gates are ordered i, f, g, o as in `torch.nn.LSTM`.

Layout: the batch is the last axis, so that the gates of one kind are contiguous. The networks of
one control (its seeds) read the same sequences. Dimensions: L steps, of which the last K are
wanted, C controls, S seeds, H hidden, F features, B sequences. A bias is the weight of a feature
that is one.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

sigmoid_backward = torch.ops.aten.sigmoid_backward
tanh_backward = torch.ops.aten.tanh_backward


class _Gates(NamedTuple):
    i: Tensor
    f: Tensor
    g: Tensor
    o: Tensor


def _tanh(x: Tensor) -> Tensor:
    """tanh(x) = 2 sigma(2x) - 1: torch's sigmoid is four times as fast as its tanh."""
    return torch.mul(x, 2.0).sigmoid_().mul_(2.0).sub_(1.0)


def _step(
    x: Tensor, h: Tensor, c: Tensor, inputs: Tensor, recurrent: Tensor
) -> tuple[_Gates, Tensor, Tensor, Tensor]:
    """Gates, cell, its tanh and hidden state after reading x (C, F, B).

    inputs (C, 4H S, F), recurrent (C S, 4H, H), state (C S, H, B).
    """
    hidden = h.shape[1]
    z = torch.bmm(inputs, x).view(-1, 4 * hidden, x.shape[-1]).baddbmm_(recurrent, h)
    g = _tanh(z[:, 2 * hidden:3 * hidden])
    i, f, _, o = z.sigmoid_().split(hidden, dim=1)
    c = torch.addcmul(f * c, i, g)
    tanh_c = _tanh(c)
    return _Gates(i, f, g, o), c, tanh_c, o * tanh_c


class LastStates(torch.autograd.Function):
    """Hidden states after the last steps, with the gradient of back-propagation through time.

    Written by hand because the recorded graph of all steps costs more than the arithmetic.
    """

    @staticmethod
    def forward(
        ctx: Any, sequences: Tensor, inputs: Tensor, recurrent: Tensor, n_last: int
    ) -> Tensor:
        """(L, C, F, B), (C, S, 4H, F), (C, S, 4H, H) to (K, C S, H, B), from a state of zero."""
        keep = any(ctx.needs_input_grad)
        flat_inputs, flat_recurrent = inputs.flatten(1, 2), recurrent.flatten(0, 1)
        h = sequences.new_zeros(len(flat_recurrent), recurrent.shape[3], sequences.shape[-1])
        c = torch.zeros_like(h)
        trace, states = [], []
        for x in sequences:
            previous = h, c
            gates, c, tanh_c, h = _step(x, h, c, flat_inputs, flat_recurrent)
            states.append(h)
            if keep:
                trace.append((gates, tanh_c, *previous))
        if keep:
            ctx.save_for_backward(sequences, inputs, recurrent)
            ctx.trace = trace
        return torch.stack(states[-n_last:])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of inputs and recurrent; the sequences are data and have none."""
        sequences, inputs, recurrent = ctx.saved_tensors
        wanted = [*gradients[0].unbind()]
        d_inputs = torch.zeros_like(inputs).flatten(1, 2)
        d_recurrent = torch.zeros_like(recurrent).flatten(0, 1)
        transposed = recurrent.flatten(0, 1).transpose(1, 2).contiguous()
        d_h = d_c = torch.zeros_like(wanted[0])
        steps = zip(sequences.unbind(), ctx.trace, strict=True)
        for x, ((i, f, g, o), tanh_c, h, c) in reversed(list(steps)):
            d_h = d_h + wanted.pop() if wanted else d_h
            d_c = d_c + tanh_backward(d_h * o, tanh_c)
            d_z = torch.cat([
                sigmoid_backward(d_c * g, i), sigmoid_backward(d_c * c, f),
                tanh_backward(d_c * i, g), sigmoid_backward(d_h * tanh_c, o),
            ], dim=1)
            by_control = d_z.view(len(inputs), -1, x.shape[-1])
            d_inputs.baddbmm_(by_control, x.transpose(1, 2))
            d_recurrent.baddbmm_(d_z, h.transpose(1, 2))
            d_h, d_c = torch.bmm(transposed, d_z), d_c * f
        return None, d_inputs.view_as(inputs), d_recurrent.view_as(recurrent), None


def forward(
    sequences: Tensor, *, inputs: Tensor, recurrent: Tensor, bias: Tensor,
    output: Tensor, output_bias: Tensor, n_last: int,
) -> Tensor:
    """Normalised displacement of the last K days of each sequence, from a state of zero.

    Parameters
    ----------
    sequences : Tensor (L, C, F, B)
    inputs, recurrent, bias, output, output_bias : Tensor
        (C, S, 4H, F), (C, S, 4H, H), (C, S, 4H), (C, S, H), (C, S).
    n_last : int
        K.

    Returns
    -------
    Tensor (C, S, K, B)
    """
    states = LastStates.apply(with_ones(sequences), _with_bias(inputs, bias), recurrent, n_last)
    return _read_out(states, output, output_bias)


def march(
    with_one: Tensor, hidden: Tensor, cell: Tensor, *, inputs: Tensor, recurrent: Tensor,
    bias: Tensor, output: Tensor, output_bias: Tensor, n_last: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised displacement of the last K days and the state after them, from a given state.

    As `forward`, without gradient; `with_one` (L, C, F + 1, B) comes from `with_ones`, and the
    state is hidden and cell, both (C S, H, B).
    """
    flat_inputs, flat_recurrent = _with_bias(inputs, bias).flatten(1, 2), recurrent.flatten(0, 1)
    days = []
    for number, x in enumerate(with_one):
        _, cell, _, hidden = _step(x, hidden, cell, flat_inputs, flat_recurrent)
        if number >= len(with_one) - n_last:
            days.append(_read_out(hidden[None], output, output_bias))
    return torch.cat(days, dim=2), hidden, cell


def with_ones(sequences: Tensor) -> Tensor:
    """(..., F, B) to (..., F + 1, B): what a bias reads."""
    return torch.cat([sequences, torch.ones_like(sequences[..., :1, :])], dim=-2)


def _with_bias(inputs: Tensor, bias: Tensor) -> Tensor:
    return torch.cat([inputs, bias[..., None]], dim=3)


def _read_out(states: Tensor, output: Tensor, output_bias: Tensor) -> Tensor:
    """(K, C S, H, B) to (C, S, K, B)."""
    by_seed = states.view(len(states), *output.shape, -1)
    return ((by_seed * output[..., None]).sum(dim=3) + output_bias[..., None]).permute(1, 2, 0, 3)
