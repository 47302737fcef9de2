"""Cross-entropy over a whole catalogue without its logits, which would not fit."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from seqrec_lib.models.layers import product


class ChunkedSoftmax(torch.autograd.Function):
    """Cross-entropy over the catalogue whose gradient is taken chunk by chunk, in one sweep.

    The forward pass also computes the gradient, while a chunk's exponentials are still in cache,
    so the (P, N) logits never exist at once: memory is chunk x N whatever P is, and one place
    holds the scores and then the chances of every chunk (a third faster than fresh memory). The
    target's own part is kept apart in full precision; only the sum over the catalogue runs in
    ``dtype``.
    """

    @staticmethod
    def forward(ctx, states, targets, vectors, bias, chunk, dtype):
        rows, table = states.detach(), vectors.detach()
        catalogue = table[1:].to(dtype)  # row 0 is padding
        shift = None if bias is None else bias.detach()[1:].to(dtype)
        learning = any(ctx.needs_input_grad)
        grad_rows, grad_table = torch.empty_like(rows), torch.zeros_like(table)
        grad_bias = None if bias is None else torch.zeros_like(bias)
        log_mass = torch.empty_like(rows[:, 0])
        most = min(chunk, len(rows))
        place = torch.empty((most + -most % 32, len(catalogue)), dtype=dtype, device=rows.device)
        for i in range(0, len(rows), chunk):
            own = targets[i : i + chunk, None] - 1
            size = len(own)
            # up to a multiple of 32 by rows of zeros: oneDNN keeps a kernel for each shape it meets
            part = F.pad(rows[i : i + chunk], (0, 0, 0, -size % 32)).to(dtype)
            scores = product(part, catalogue.T, shift, out=place[: len(part)])
            own_logit = scores[:size].gather(1, own).float()
            chance = torch.softmax(scores, 1, out=scores)
            log_own = chance[:size].gather(1, own).float().log()
            log_mass[i : i + chunk] = (own_logit - log_own).squeeze(1)
            if learning:
                grad_rows[i : i + chunk] = product(chance, catalogue)[:size]
                grad_table[1:] += product(chance.T, part)
                if grad_bias is not None:
                    grad_bias[1:] += chance[:size].sum(0, dtype=torch.float32)
        lost = log_mass.isinf()  # a target so unlikely that its chance is 0 in floating point
        if lost.any():
            scores = rows[lost] @ table[1:].T + (0 if bias is None else bias.detach()[1:])
            log_mass[lost] = torch.logsumexp(scores, 1)
        own_score = (rows * table[targets]).sum(1)
        if bias is not None:
            own_score += bias.detach()[targets]
        if learning:
            grad_rows -= table[targets]
            grad_table.index_add_(0, targets, rows, alpha=-1)
            if grad_bias is not None:
                grad_bias.index_add_(0, targets, torch.ones_like(own_score), alpha=-1)
            ctx.save_for_backward(grad_rows, grad_table, grad_bias)
        ctx.count = len(rows)
        return (log_mass - own_score).mean()

    @staticmethod
    def backward(ctx, grad):
        grads = [None if g is None else g * (grad / ctx.count) for g in ctx.saved_tensors]
        return grads[0], None, grads[1], grads[2], None, None
