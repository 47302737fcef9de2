"""Cross-entropy and what teachers say, over a whole catalogue, without its logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from seqrec_lib.models.layers import product


class ChunkedCells(torch.autograd.Function):
    """(1 - share) x cross-entropy on the target + share x KL(teachers || pupil), in one sweep.

    The divergence is between two distributions over k + 1 cells: each of the k ``items`` of a
    position, which the teachers give ``chances``, and all other items together, which they give
    the rest. Within that last cell the pupil is free. Chunks, precision and the gradient taken on
    the way are those of :class:`~seqrec_lib.models.chunked_softmax.ChunkedSoftmax`.

    With p the pupil's probabilities, q the teachers' and r their masses in the last cell, the
    gradient of an item's logit is p_i - share q_i - (1 - share) [i is the target] in a cell of its
    own, and p_j (1 - share r_q / r_p) - (1 - share) [j is the target] in the last one.
    """

    @staticmethod
    def forward(ctx, states, targets, vectors, bias, items, chances, share, chunk, dtype):
        rows, table = states.detach(), vectors.detach()
        catalogue = table[1:].to(dtype)  # row 0 is padding
        shift = None if bias is None else bias.detach()[1:].to(dtype)
        tiny = torch.finfo(torch.float32).tiny  # a mass that has underflowed: log and ratio exist
        whole = items.shape[1] == len(catalogue)  # nothing else is left
        learning = any(ctx.needs_input_grad)
        grad_rows, grad_table = torch.empty_like(rows), torch.zeros_like(table)
        grad_bias = None if bias is None else torch.zeros_like(bias)
        log_mass, divergence = torch.empty_like(rows[:, 0]), torch.empty_like(rows[:, 0])
        for i in range(0, len(rows), chunk):
            here = slice(i, i + chunk)
            size = len(rows[here])
            extra = -size % 32  # rows of zeros, as in ChunkedSoftmax
            part = F.pad(rows[here], (0, 0, 0, extra)).to(dtype)
            cell = F.pad(items[here].long() - 1, (0, 0, 0, extra))
            taught = F.pad(chances[here].float(), (0, 0, 0, extra))
            others = (1 - taught.sum(1)).clamp(min=0) * (not whole)
            scores = product(part, catalogue.T, shift)
            chance = torch.softmax(scores, 1)
            best, top = chance.max(1, keepdim=True)
            mass = scores.gather(1, top).float() - best.float().log()
            log_own = scores.gather(1, cell).float() - mass
            own = chance.gather(1, cell).float()
            chance.scatter_(1, cell, 0.0)
            rest = chance.sum(1, dtype=torch.float32).clamp(min=tiny)
            lost = (torch.xlogy(taught, taught) - taught * log_own).sum(1)
            lost += torch.xlogy(others, others) - others * rest.log()
            log_mass[here], divergence[here] = mass[:size, 0], lost[:size]
            if learning:
                chance *= (1 - share * others / rest)[:, None].to(dtype)
                chance.scatter_(1, cell, (own - share * taught).to(dtype))
                grad_rows[here] = product(chance, catalogue)[:size]
                grad_table[1:] += product(chance.T, part)
                if grad_bias is not None:
                    grad_bias[1:] += chance[:size].sum(0, dtype=torch.float32)
        own_score = (rows * table[targets]).sum(1)
        if bias is not None:
            own_score += bias.detach()[targets]
        if learning:
            weight = share - 1
            grad_rows += weight * table[targets]
            grad_table.index_add_(0, targets, rows, alpha=weight)
            if grad_bias is not None:
                grad_bias.index_add_(0, targets, torch.ones_like(own_score), alpha=weight)
            ctx.save_for_backward(grad_rows, grad_table, grad_bias)
        ctx.count = len(rows)
        return ((1 - share) * (log_mass - own_score) + share * divergence).mean()

    @staticmethod
    def backward(ctx, grad):
        grads = [None if g is None else g * (grad / ctx.count) for g in ctx.saved_tensors]
        return grads[0], None, grads[1], grads[2], None, None, None, None, None
