#!/usr/bin/python3
"""Times the operators and training steps of bench in PyTorch too, by turns with skiff.

Run:    apt-get install python3-torch; make; tests/reference/bench_torch.py --threads 1
Expect: a row a case: medians in ms, and PyTorch's time divided by skiff's (above 1: skiff is faster),
        with the lowest and highest ratio of a round. For a step also the memory it needs besides model
        and data: the tensors that skiff made, and what a process of PyTorch grew by, in both forms.

With --epoch listops or --epoch text, the time of an epoch on real data: skiff in the order of the published
code and in batches of similar lengths (--bucket of train_lra), PyTorch on the batches of the published order,
each padded to its longest example, as there.

Two forms of each model, with the same parameters and outputs (of operators: gradients, too), which is
checked first (--check compares with the tensors of this folder, too):
  published  the sequence of operations of the authors' code (jonathanmei/ski-tnn, jonathanmei/lra-tnn,
             for language models OpenNLPLab/fairseq-evo): transforms over dim=-2, two or three calls of
             the network of a TNO, a depthwise conv1d on a transposed tensor, a dense W made anew at
             every call, both orders of rows and columns
  lean       the fastest form known here: transforms over a contiguous axis, one call of the network,
             tables kept, conv2d on channels-last memory (the gradient of its weight by hand), W kept,
             one order of rows and columns; in language models simplermsnorm with a gradient by hand,
             and no more samples of a causal kernel than the window has positions
Differences from the published code, in both forms: W interpolates (the released W does not, at the same
cost), FD runs on images (the released one cannot), the table of causal SKI has the scale of the recipe
`small`, attention is left out.
"""
import argparse
import json
import math
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import torch
import torch.nn.functional as F
from torch import nn


# ---- networks of positions and frequencies ----

def simple_rms_norm(x):
    return x / (x.norm(dim=-1, keepdim=True) / math.sqrt(x.shape[-1]) + 1e-8)


class Rpe(nn.Module):  # variant A
    def __init__(self, width, layers, outputs):
        super().__init__()
        self.first = nn.Linear(1, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.out = nn.Linear(width, outputs)

    def forward(self, s):
        z = self.first(s)
        for layer in self.hidden:
            z = layer(F.relu(simple_rms_norm(z)))
        return self.out(F.relu(simple_rms_norm(z)))


class LraRpe(nn.Module):  # variant B
    def __init__(self, width, outputs):
        super().__init__()
        self.first, self.second, self.third = nn.Linear(1, width), nn.Linear(width, width), nn.Linear(width, width)
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, outputs)

    def forward(self, s):
        z = self.third(F.relu(self.second(F.relu(self.first(s)))))
        return self.out(F.relu(self.norm(z)))


# ---- operators: x (.., n, d) -> (.., n, d) ----

class Operator(nn.Module):
    lean = False

    def __init__(self):
        super().__init__()
        self.kept = {}

    def keep(self, key, make):  # a table that depends on the length alone
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def forward(self, x):
        return self.run_lean(x) if self.lean else self.run_published(x)


def product_lean(x, spectrum, size):
    """irfft(spectrum rfft(x)) with the sequence innermost; spectrum (d, size/2 + 1)."""
    n = x.shape[-2]
    X = torch.fft.rfft(x.transpose(-1, -2).contiguous(), size)
    y = torch.fft.irfft(X * spectrum, size)[..., :n]
    return y.transpose(-1, -2).contiguous()


class Tno(Operator):
    def __init__(self, d, width, gamma, max_lag=0):
        super().__init__()
        self.rpe, self.gamma, self.max_lag, self.d = LraRpe(width, d), gamma, max_lag, d

    def reach(self, n):
        return min(n - 1, self.max_lag) if self.max_lag > 0 else n - 1

    def run_published(self, x):
        n, reach = x.shape[-2], self.reach(x.shape[-2])
        index = torch.arange(1, 1 + reach).reshape(-1, 1) * 1.0
        gap = torch.zeros(n - 1 - reach, self.d)
        zero = self.rpe(torch.zeros(1, 1))
        pos = torch.cat([self.rpe(index), gap])
        neg = torch.cat([gap, self.rpe(-index.flip(0))])
        decay = torch.full((1, self.d), self.gamma) ** torch.arange(1, n).reshape(-1, 1)
        a = torch.cat([zero, decay * pos, zero, decay.flip(0) * neg])
        y = torch.fft.rfft(x, 2 * n, dim=-2)
        v = torch.fft.rfft(a, 2 * n, dim=-2)
        return torch.fft.irfft(v * y, 2 * n, dim=-2)[..., :n, :]

    def run_lean(self, x):
        n, reach = x.shape[-2], self.reach(x.shape[-2])

        def tables():
            lags = torch.cat([torch.arange(reach + 1), -torch.arange(1, reach + 1).flip(0)]).reshape(-1, 1) * 1.0
            return lags, self.gamma ** lags.abs()

        lags, decay = self.keep(n, tables)
        t = (self.rpe(lags) * decay).t()  # (d, lags)
        gap = torch.zeros(self.d, 2 * n - (2 * reach + 1))
        a = torch.cat([t[:, :reach + 1], gap, t[:, reach + 1:]], dim=1)
        return product_lean(x, torch.fft.rfft(a), 2 * n)


class DepthwiseConv(torch.autograd.Function):
    """y[i] = sum_q c[q] x[i + q - (m-1)/2];  x (b, n, d) as it lies: channels last of a 1 x n image.

    The gradient of c is summed by hand, block by block: that of conv2d is the slowest part of all along
    the width, and along the height oneDNN 2.6 returns values that are wrong by percents.
    """

    @staticmethod
    def image(x):
        return x.transpose(1, 2).unsqueeze(2)

    @staticmethod
    def forward(ctx, x, c):
        ctx.save_for_backward(x, c)
        d, m = c.shape
        y = F.conv2d(DepthwiseConv.image(x), c.view(d, 1, 1, m), groups=d, padding=(0, m // 2))
        return y.squeeze(2).transpose(1, 2)

    @staticmethod
    def backward(ctx, gy):
        x, c = ctx.saved_tensors
        (b, n, d), m = x.shape, c.shape[1]
        gy = gy.contiguous()
        flipped = c.flip(1).contiguous().view(d, 1, 1, m)
        gx = F.conv2d(DepthwiseConv.image(gy), flipped, groups=d, padding=(0, m // 2)).squeeze(2).transpose(1, 2)
        padded, gc = F.pad(x, (0, 0, m // 2, m // 2)), torch.zeros(m, d)
        block = max(1, 32768 // (b * d))  # stays in the cache
        for begin in range(0, n, block):
            g = gy[:, begin:begin + block]
            for q in range(m):
                gc[q] += (g * padded[:, begin + q:begin + q + g.shape[1]]).sum((0, 1))
        return gx, gc.t()


class SkiTno(Operator):
    def __init__(self, d, rank, taps, train_length):
        super().__init__()
        m = taps | 1
        self.rank, self.taps, self.base = rank, m, rank ** (-1.0 / (train_length - 1))
        self.conv_kernel = nn.Parameter(torch.randn(d, m) / math.sqrt(m))
        self.alphas = nn.Parameter(torch.randn(1, d, 1, rank) / math.sqrt(rank))
        self.betas = nn.Parameter(torch.randn(1, d, 1, rank) / math.sqrt(rank))

    def matrix(self, n):  # W (n, r)
        r = self.rank
        inducing = torch.arange(r) * (n - 1) / (r - 1)
        place = torch.arange(n) * 1.0
        cell = (torch.searchsorted(inducing, place, right=True) - 1).clamp_(0, r - 2)
        upper = (place - inducing[cell]) * (r - 1) / (n - 1)
        W = torch.zeros(n, r)
        W[torch.arange(n), cell] = 1 - upper
        W[torch.arange(n), cell + 1] = upper
        return W

    def warped(self, lags):
        sign = torch.sign(lags) + (lags == 0).int()
        return sign * self.base ** lags.abs()

    def lags(self, n):  # 0 .. r-1, one that is no lag, -(r-1) .. -1
        s = torch.arange(self.rank) * (n - 1) / (self.rank - 1)
        return s, -s[1:].flip(0)

    def kernel_published(self, lags):
        r, d = self.rank, self.alphas.shape[1]
        table = torch.zeros(1, d, 1, 2 * r + 1)
        table[..., :r] = self.betas
        table[..., -r:] = self.alphas
        at = F.pad(self.warped(lags)[None, None, :, None], (0, 1))
        return F.grid_sample(table, at, mode='bilinear', align_corners=True)[0, :, 0].t()  # (lags, d)

    def run_published(self, x):
        n, r = x.shape[-2], self.rank
        shape, x = x.shape, x.reshape(-1, n, x.shape[-1])
        near = F.conv1d(x.transpose(-1, -2), self.conv_kernel[:, None], groups=x.shape[-1], padding=self.taps // 2)
        W = self.matrix(n)
        plus, minus = self.lags(n)
        nonneg = self.kernel_published(plus)
        a = torch.cat([nonneg, nonneg[:1], self.kernel_published(minus)]).t()  # (d, 2r)
        z = (W.t() @ x.transpose(-1, -2)[..., None])[..., 0]                     # (b, d, r)
        s = torch.fft.irfft(torch.fft.rfft(a) * torch.fft.rfft(z, 2 * r), 2 * r)[..., :r]
        return (near.transpose(-1, -2) + W @ s.transpose(-1, -2)).reshape(shape)

    def run_lean(self, x):
        n, r = x.shape[-2], self.rank
        shape, x = x.shape, x.reshape(-1, n, x.shape[-1])

        def tables():
            plus, minus = self.lags(n)
            u = (self.warped(torch.cat([plus, plus[:1], minus])) + 1) * r
            cell = u.floor().clamp_(max=2 * r - 1).long()
            read = torch.zeros(2 * r, 2 * r + 1)  # the table at the warped lags
            read[torch.arange(2 * r), cell] = 1 - (u - cell)
            read[torch.arange(2 * r), cell + 1] = u - cell
            W = self.matrix(n)
            return W, W.t().contiguous(), read[:, :r].contiguous(), read[:, r + 1:].contiguous()

        W, Wt, read_betas, read_alphas = self.keep(n, tables)
        near = DepthwiseConv.apply(x, self.conv_kernel)
        a = self.betas[0, :, 0] @ read_betas.t() + self.alphas[0, :, 0] @ read_alphas.t()  # (d, 2r)
        s = product_lean(torch.matmul(Wt, x), torch.fft.rfft(a), 2 * r)
        return (near + torch.matmul(W, s)).reshape(shape)


class FdTno(Operator):
    def __init__(self, d, width, layers):
        super().__init__()
        self.rpe, self.d = Rpe(width, layers, 2 * d), d

    @staticmethod
    def frequencies(size):
        return torch.linspace(0.0, math.pi, size // 2 + 1).reshape(-1, 1)

    def run_published(self, x):
        n = x.shape[-2]
        size = 2 ** math.ceil(math.log2(2 * n))
        response = self.rpe(self.frequencies(size))
        real, imag = response[:, :self.d], response[:, self.d:]
        imag[(0, -1), :] = 0.0
        y = torch.fft.rfft(x, size, dim=-2)
        return torch.fft.irfft(torch.complex(real, imag) * y, size, dim=-2)[..., :n, :]

    def run_lean(self, x):
        n = x.shape[-2]
        size = 2 ** math.ceil(math.log2(2 * n))
        response = self.rpe(self.keep(size, lambda: self.frequencies(size))).t()
        real, imag = response.contiguous().view(2, self.d, -1)
        # irfft does not look at the imaginary parts of its first and last bin, so none is cleared.
        return product_lean(x, torch.complex(real, imag), size)


# ---- causal operators of the language models ----

def product_published(x, spectrum, size):
    """irfft(spectrum rfft(x)); spectrum (size/2 + 1, d)."""
    n = x.shape[-2]
    return torch.fft.irfft(spectrum * torch.fft.rfft(x, size, dim=-2), size, dim=-2)[..., :n, :]


class CausalTno(Operator):
    def __init__(self, d, width, layers, gamma):
        super().__init__()
        self.rpe, self.gamma, self.d = Rpe(width, layers, d), gamma, d

    def run_published(self, x):
        n = x.shape[-2]
        index = torch.arange(1, n).reshape(-1, 1)
        zero, pos = self.rpe(torch.zeros(1, 1)), self.rpe(index * 1.0)
        decay = torch.full((1, self.d), self.gamma) ** index
        a = torch.cat([zero, decay * pos, zero])
        return product_published(x, torch.fft.rfft(a, 2 * n, dim=-2), 2 * n)

    def run_lean(self, x):
        n = x.shape[-2]

        def tables():
            lags = torch.arange(n).reshape(-1, 1) * 1.0
            return lags, self.gamma ** lags

        lags, decay = self.keep(n, tables)
        t = (self.rpe(lags) * decay).t().contiguous()  # (d, n)
        return product_lean(x, torch.fft.rfft(t, 2 * n), 2 * n)


class CausalFd(Operator):
    def __init__(self, d, width, layers):
        super().__init__()
        self.rpe = Rpe(width, layers, d)

    @staticmethod
    def size(n):
        return 2 ** math.ceil(math.log2(2 * n))

    def real_parts(self, frequencies):  # (bins, d)
        return self.rpe(frequencies)

    def run_published(self, x):
        size = self.size(x.shape[-2])
        real = self.real_parts(FdTno.frequencies(size))
        kernel = torch.fft.irfft(real, size, dim=-2)
        kernel[real.shape[-2]:, :] = 0.0
        kernel[0, :] *= 0.5
        return product_published(x, 2.0 * torch.fft.rfft(kernel, dim=-2), size)

    def run_lean(self, x):
        n = x.shape[-2]
        size = self.size(n)

        def tables():
            window = torch.full((n,), 2.0)
            window[0] = 1.0
            return FdTno.frequencies(size), window

        frequencies, window = self.keep(n, tables)
        real = self.real_parts(frequencies).t().contiguous()
        kernel = torch.fft.irfft(real, size)[:, :n] * window
        return product_lean(x, torch.fft.rfft(kernel, size), size)


class CausalFdFree(CausalFd):
    def __init__(self, d, points):
        Operator.__init__(self)
        self.coeffs, self.dc = nn.Parameter(torch.randn(d, points)), nn.Parameter(torch.ones(d, 1))

    def real_parts(self, frequencies):
        scale = (len(frequencies) - 1) / self.coeffs.shape[1]
        rest = F.interpolate(self.coeffs[None], scale_factor=scale, mode='linear')[0]
        return torch.cat([self.dc, rest], dim=1).t()


class CausalSki(Operator):
    def __init__(self, d, rank, taps, train_length):
        super().__init__()
        m = taps | 1
        self.rank, self.taps, self.base = rank, m // 2 + 1, rank ** (-1.0 / (train_length - 1))
        self.table_scale = rank / max(rank, train_length)
        self.conv_kernel = nn.Parameter(torch.randn(d, self.taps) / math.sqrt(m))
        self.alphas = nn.Parameter(torch.randn(1, d, 1, rank) / math.sqrt(rank))

    def warped(self, n):  # of the lags at which the table is read
        return self.base ** (torch.arange(self.rank) * (n - 1) / (self.rank - 1))

    def run_published(self, x):
        n = x.shape[-2]
        at = F.pad((2 * self.warped(n) - 1)[None, None, :, None], (0, 1))
        table = F.pad(self.table_scale * self.alphas, (1, 0))
        nonneg = F.grid_sample(table, at, mode='bilinear', align_corners=True)[0, :, 0]  # (d, r)
        a = F.interpolate(nonneg[None], (n,), mode='linear', align_corners=True)[0]      # (d, n)
        a[:, :self.taps] += self.conv_kernel
        y = torch.fft.rfft(x.transpose(-1, -2)[..., None], 2 * n, dim=-2)
        v = torch.fft.rfft(a, 2 * n, dim=-1)[..., None]
        return torch.fft.irfft(v * y, 2 * n, dim=-2)[..., :n, 0].transpose(-1, -2)

    def run_lean(self, x):
        n, r = x.shape[-2], self.rank

        def table():
            u = self.warped(n) * r
            cell = u.floor().clamp_(max=r - 1).long()
            read = torch.zeros(r, r + 1)
            read[torch.arange(r), cell] = 1 - (u - cell)
            read[torch.arange(r), cell + 1] = u - cell
            return self.table_scale * read[:, 1:].t()  # the first entry of the table is 0

        nonneg = self.alphas[0, :, 0] @ self.keep(n, table)
        a = F.interpolate(nonneg[None], (n,), mode='linear', align_corners=True)[0]
        a = torch.cat([a[:, :self.taps] + self.conv_kernel, a[:, self.taps:]], dim=1)
        return product_lean(x, torch.fft.rfft(a, 2 * n), 2 * n)


# ---- models ----

class Mixer2d(nn.Module):
    def __init__(self, make, height, width):
        super().__init__()
        self.rows, self.columns, self.height, self.width = make(width), make(height), height, width

    def forward(self, x):
        image = x.view(x.shape[0], self.height, self.width, x.shape[-1])
        rows, columns = self.rows, lambda v: self.columns(v.transpose(1, 2)).transpose(1, 2)
        if Operator.lean:
            return (2 * columns(rows(image))).reshape(x.shape)
        return (columns(rows(image)) + rows(columns(image))).reshape(x.shape)


class Gtu(nn.Module):
    def __init__(self, d, e, mixer, dropout):
        super().__init__()
        self.u, self.v, self.o = nn.Linear(d, e), nn.Linear(d, e), nn.Linear(e, d)
        for layer in (self.u, self.v, self.o):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.normal_(layer.bias, std=0.02)
        self.mixer, self.dropout = mixer, dropout

    def forward(self, x):
        mixed = self.mixer(F.silu(self.v(x)))
        if self.dropout > 0:
            mixed = F.dropout(mixed, self.dropout, self.training)
        return self.o(F.silu(self.u(x)) * mixed)


class Glu(nn.Module):
    def __init__(self, d, inner, dropout):
        super().__init__()
        self.l1, self.l2, self.l3, self.dropout = nn.Linear(d, inner), nn.Linear(d, inner), nn.Linear(inner, d), dropout

    def forward(self, x):
        left = F.silu(self.l1(x))
        if self.dropout > 0:
            left = F.dropout(left, self.dropout, self.training)
        return self.l3(left * self.l2(x))


class BatchNorm(nn.BatchNorm1d):
    def forward(self, x):
        if Operator.lean:
            return super().forward(x.reshape(-1, x.shape[-1])).view(x.shape)
        return super().forward(x.transpose(-1, -2)).transpose(-1, -2)


class Classifier(nn.Module):
    def __init__(self, recipe, mixer):
        super().__init__()
        d = recipe['dim']
        e, inner = int(recipe['expand'] * d), int(recipe['glu'] * d)
        self.encoder = nn.Embedding(recipe['vocab'], d) if recipe['vocab'] else nn.Linear(1, d)
        self.dropout, size = recipe['dropout'], recipe['size']

        def operator(n):
            if mixer == 'tno':
                return Tno(e, recipe['width'], recipe['gamma'], recipe['max_lag'])
            if mixer == 'ski':
                return SkiTno(e, recipe['rank'], recipe['taps'], n)
            return FdTno(e, recipe['width'], recipe['layers_rpe'])

        self.blocks = nn.ModuleList()
        for _ in range(recipe['layers']):
            side = int(math.sqrt(size))
            mixing = operator(size) if recipe['vocab'] else Mixer2d(operator, side, side)
            gtu = Gtu(d, e, mixing, 0 if recipe['vocab'] else self.dropout)
            for unit in (gtu, Glu(d, inner, self.dropout)):
                self.blocks.append(nn.ModuleList([BatchNorm(d), unit]))
        self.norm, self.decoder = BatchNorm(d), nn.Linear(d, recipe['classes'])
        angles = torch.arange(size).reshape(-1, 1) * 10000 ** (-torch.arange(0, d, 2) / d)
        self.register_buffer('places', torch.stack([angles.sin(), angles.cos()], dim=-1).reshape(size, d))

    def forward(self, x, lengths=None):
        x = F.dropout(self.encoder(x) + self.places[:x.shape[1]], 0.1, self.training)
        for norm, unit in self.blocks:
            y = unit(norm(x))
            x = x + (F.dropout(y, self.dropout, self.training) if self.dropout > 0 else y)
        x = self.norm(x)
        if lengths is None:  # every sequence has the full length
            return self.decoder(x.mean(dim=1))
        inside = torch.arange(x.shape[1]) < lengths[:, None]
        return self.decoder((x * inside[..., None]).sum(dim=1) / lengths[:, None])


class LeanRmsNorm(torch.autograd.Function):
    """simple_rms_norm: a gradient of four passes over the data, where autograd makes more."""

    @staticmethod
    def forward(ctx, x):
        rho = x.norm(dim=-1, keepdim=True).mul_(1 / math.sqrt(x.shape[-1])).add_(1e-8)
        y = x / rho
        ctx.save_for_backward(y, rho)
        return y

    @staticmethod
    def backward(ctx, gy):
        y, rho = ctx.saved_tensors
        return torch.addcmul(gy, y, (gy * y).mean(dim=-1, keepdim=True), value=-1).div_(rho)


class LanguageModel(nn.Module):
    def __init__(self, recipe, mixer, n):
        super().__init__()
        d, e = recipe['dim'], recipe['expand'] * recipe['dim']
        self.dropout, self.embedding = recipe['dropout'], nn.Embedding(recipe['vocab'], d)
        nn.init.normal_(self.embedding.weight, std=0.02)

        def operator():
            if mixer == 'tno':
                return CausalTno(e, recipe['width'], recipe['layers_rpe'], recipe['gamma'])
            if mixer == 'ski':
                return CausalSki(e, recipe['rank'], recipe['taps'], n)
            if mixer == 'fd':
                return CausalFd(e, recipe['width'], recipe['layers_rpe'])
            return CausalFdFree(e, recipe['points'])

        self.units = nn.ModuleList()
        for _ in range(recipe['layers']):
            self.units.extend([Gtu(d, e, operator(), 0), Glu(d, recipe['glu'] * d, self.dropout)])
        self.norm = nn.LayerNorm(d)

    def forward(self, tokens):
        rms_norm = LeanRmsNorm.apply if Operator.lean else simple_rms_norm
        x = F.dropout(self.embedding(tokens), self.dropout, self.training)
        for unit in self.units:
            x = x + F.dropout(unit(rms_norm(x)), self.dropout, self.training)
        return F.linear(self.norm(x), self.embedding.weight)


# As in the recipe `paper` of examples/train/recipes.h.
RECIPES = {
    'listops': dict(vocab=18, classes=10, layers=4, dim=128, expand=1, glu=1, gamma=1.0, width=32, layers_rpe=3,
                    rank=64, taps=32, max_lag=1023, dropout=0, size=2048, decay=0.1),
    'text': dict(vocab=135, classes=2, layers=4, dim=128, expand=1, glu=2, gamma=0.9, width=32, layers_rpe=3,
                 rank=64, taps=32, max_lag=1023, dropout=0.1, size=4096, decay=1e-3),
    'image': dict(vocab=0, classes=10, layers=12, dim=128, expand=2, glu=3, gamma=0.7, width=16, layers_rpe=0,
                  rank=32, taps=16, max_lag=0, dropout=0.1, size=1024, decay=1e-3),
}

# As in the recipe `small` of examples/language/recipes.cpp; fd-free is fd with 64 points.
LANGUAGE = dict(vocab=65, layers=6, dim=128, expand=3, glu=1, gamma=0.99, width=32, layers_rpe=1, rank=64, taps=16,
                points=64, dropout=0.2, size=256, batch=64, decay=0.1, betas=(0.9, 0.99), clip=1.0)


# ---- cases ----

class Case:
    """One label of bench, with a function for each form."""

    def __init__(self, label, n, parameters, run, output):
        self.label, self.n, self.parameters, self.run, self.output = label, n, parameters, run, output


def count(module):
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def operator_cases(o, n):
    d = o.dim
    torch.manual_seed(1)
    x = torch.randn(o.batch, n, d)
    gy = torch.randn(o.batch, n, d)
    modules = {'tno': Tno(d, 32, 0.99), 'ski': SkiTno(d, min(64, n), 32, n), 'fd': FdTno(d, 32, 3)}
    for name, module in modules.items():
        def forward(module=module):
            with torch.no_grad():
                return module(x)

        def train(module=module):
            leaf = x.detach().requires_grad_()
            module(leaf).backward(gy)
            module.zero_grad(set_to_none=True)

        def output(module=module):
            leaf = x.detach().requires_grad_()
            module.zero_grad(set_to_none=True)
            y = module(leaf)
            y.backward(gy)
            return [y.detach(), leaf.grad] + [p.grad for p in module.parameters()]

        for passes, run in (('forward', forward), ('train', train)):
            yield Case(f'op/{name}/{passes}', n, count(module), run, output)


def adam_of(model, decay, betas=(0.9, 0.999)):
    return torch.optim.AdamW(model.parameters(), lr=1e-6, betas=betas, weight_decay=decay, foreach=True)


def training_case(label, model, data, labels, decay, betas=(0.9, 0.999), clip=0.0):
    optimizer = adam_of(model, decay, betas)

    def run():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(data).flatten(0, -2), labels.flatten()).backward()
        if clip > 0:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()

    def output():
        model.eval()
        with torch.no_grad():
            y = model(data)
        model.train()
        return [y]

    return Case(label, data.shape[1], count(model), run, output)


def step_cases(o, only=''):
    for task, recipe in RECIPES.items():
        recipe = dict(recipe)
        if o.length and recipe['vocab']:
            recipe['size'] = o.length
        for mixer in ('tno', 'ski', 'fd'):
            label = f'step/{task}-{mixer}/train'
            if only and label != only:
                continue
            torch.manual_seed(1)
            model, n = Classifier(recipe, mixer), recipe['size']
            data = torch.randint(1, recipe['vocab'], (o.batch, n)) if recipe['vocab'] else torch.randn(o.batch, n, 1)
            labels = torch.randint(0, recipe['classes'], (o.batch,))
            yield training_case(label, model, data, labels, recipe['decay'])
    for name, longer in (('lm', 1), ('lm-long', 16)):
        recipe = LANGUAGE
        n, batch = recipe['size'] * longer, recipe['batch'] // longer
        for mixer in ('tno', 'ski', 'fd', 'fd-free'):
            label = f'step/{name}-{mixer}/train'
            if only and label != only:
                continue
            torch.manual_seed(1)
            model = LanguageModel(recipe, mixer, n)
            data, labels = (torch.randint(0, recipe['vocab'], (batch, n)) for _ in range(2))
            yield training_case(label, model, data, labels, recipe['decay'], recipe['betas'], recipe['clip'])


# ---- the reference tensors of this folder, with which skiff agrees too ----

def read_safetensors(path):
    with open(path, 'rb') as file:
        header = json.loads(file.read(struct.unpack('<Q', file.read(8))[0]))
        data = bytearray(file.read())
    settings, tensors = header.pop('__metadata__', {}), {}
    for name, entry in header.items():
        element = {'F64': (torch.float64, 8), 'I32': (torch.int32, 4)}.get(entry['dtype'])
        if element:
            begin, end = entry['data_offsets']
            tensors[name] = torch.frombuffer(data, dtype=element[0], offset=begin,
                                             count=(end - begin) // element[1]).reshape(entry['shape'])
    return settings, tensors


def reference_module(settings, tensors):
    d, causal = int(settings['c']), settings['causal'] == 'True'
    parameters = {name[6:]: t for name, t in tensors.items() if name.startswith('param.')}
    if settings['op'] == 'ski':
        rank, n = int(settings['rank']), int(settings['n'])
        values = {'conv_kernel': parameters['conv'], 'alphas': parameters['alpha'][None, :, None]}
        if causal:
            module = CausalSki(d, rank, 2 * parameters['conv'].shape[1] - 1, n)
            module.table_scale = 1.0
        else:
            module = SkiTno(d, rank, int(settings['taps']), n)
            values['betas'] = parameters['beta'][None, :, None]
        module.base = float(settings['gamma'])
    elif settings['op'] == 'tno_fd_free':
        module = CausalFdFree(d, int(settings['points']))
        values = {'coeffs': parameters['re'], 'dc': parameters['dc'][:, None]}
    else:
        width, layers = len(parameters['rpe.inp.bias']), int(settings['rpe_layers'])
        if settings['op'] == 'tno':
            gamma = float(settings['gamma'])
            module = CausalTno(d, width, layers, gamma) if causal else Tno(d, width, gamma)
            module.rpe = Rpe(width, layers, d)
        else:
            module = CausalFd(d, width, layers) if causal else FdTno(d, width, layers)
        values = {name.replace('rpe.inp', 'rpe.first'): t for name, t in parameters.items()}
    module.load_state_dict(values)
    return module


def check_references(folder):
    torch.set_default_dtype(torch.float64)
    cases = [f'{kind}_n{n}' for kind in ('tno_bi_decay', 'ski_bi_corrected', 'tno_fd_bi_h1', 'tno_causal_decay',
                                         'ski_causal', 'tno_fd_causal_h1') for n in (16, 17, 64)]
    for name in cases + ['tno_fd_free_causal_8_n16', 'tno_fd_free_causal_5_n17']:
        settings, tensors = read_safetensors(f'{folder}/{name}.safetensors')
        module, worst = reference_module(settings, tensors), 0.0
        for lean in (False, True):
            x = tensors['x'].clone().requires_grad_()
            y = in_form(lean, lambda: module(x))
            y.backward(tensors['probe'])
            for mine, reference in ((y, tensors['y']), (x.grad, tensors['grad.x'])):
                worst = max(worst, float((mine - reference).abs().max() / reference.abs().max()))
        print(f'{name:<26} both forms agree with the reference to {worst:.1e}')
        if worst > 1e-9:
            sys.exit('error: too far')
    torch.set_default_dtype(torch.float32)


# ---- an epoch on real data ----

class Epoch:
    """Batches that bench --save-batches wrote, and a model that trains on them."""

    def __init__(self, path, task, mixer):
        settings, tensors = read_safetensors(path)
        self.steps, count = int(settings['batches']), int(settings['measured'])
        self.batches = [[tensors[f'{i}.{part}'].long() for part in ('tokens', 'lengths', 'labels')] for i in range(count)]
        torch.manual_seed(1)
        # Other data than the benchmark's may have other words.
        recipe = dict(RECIPES[task], vocab=max(int(tokens.max()) for tokens, _, _ in self.batches) + 1)
        recipe['vocab'] = max(recipe['vocab'], RECIPES[task]['vocab'])
        self.model = Classifier(recipe, mixer)
        self.optimizer = adam_of(self.model, recipe['decay'])

    def step(self, tokens, lengths, labels):
        self.optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(self.model(tokens, lengths), labels).backward()
        self.optimizer.step()

    def seconds(self):
        """Of the epoch, as bench estimates it."""
        self.step(*self.batches[0])
        start = time.perf_counter()
        for batch in self.batches:
            self.step(*batch)
        return (time.perf_counter() - start) * self.steps / len(self.batches)


def compare_epochs(o):
    print(f"an epoch of {o.epoch}, {'all' if not o.examples else o.examples} examples; PyTorch {torch.__version__}, "
          f'{o.threads} threads, {o.rounds} rounds by turns; seconds')
    print(f"{'mixer':<8} {'skiff':>9} {'bucketed':>9} {'published':>10} {'lean':>9}  published/bucketed    lean/bucketed"
          '        MB: skiff, published, lean')
    for mixer in o.mixers.split(','):
        with tempfile.TemporaryDirectory() as folder:
            path = f'{folder}/batches.safetensors'
            command = [o.bench, '--epoch', o.epoch, '--data', o.data, '--mixers', mixer, '--examples', str(o.examples),
                       '--batches', str(o.batches), '--threads', str(o.threads), '--repeats', '1', '--json', '-',
                       '--save-batches', path]
            if o.batch:
                command += ['--batch', str(o.batch)]
            times = {'shuffled': [], 'bucketed': [], 'published': [], 'lean': []}
            for _ in range(o.rounds):
                lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                       universal_newlines=True).stdout.splitlines()
                rows = {row['batches']: row for row in map(json.loads, lines)}
                for order in rows:
                    times[order].append(rows[order]['median_s'])
                epoch = Epoch(path, o.epoch, mixer)
                times['published'].append(in_form(False, epoch.seconds))
                times['lean'].append(in_form(True, epoch.seconds))
            text = f'{mixer:<8}'
            for name, width in (('shuffled', 9), ('bucketed', 9), ('published', 10), ('lean', 9)):
                text += f' {statistics.median(times[name]):{width}.1f}'
            for name in ('published', 'lean'):
                ratios = [theirs / ours for theirs, ours in zip(times[name], times['bucketed'])]
                text += f'  {statistics.median(ratios):6.2f} ({min(ratios):.2f} .. {max(ratios):.2f})'
            text += f"      {rows['bucketed']['peak_tensor_bytes'] / 1e6:.0f}"
            for lean in (False, True):
                text += f' {grown(o, path, mixer, lean) / 1e6:.0f}'
            print(text, flush=True)


# ---- memory ----

def status(field):
    """A line of /proc/self/status, in bytes."""
    with open('/proc/self/status') as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field)) * 1024


def grown(o, what, mixer, lean):
    """Bytes that two steps in a process of their own add to it at most; of a case, or of an epoch's longest batch."""
    command = [sys.executable, os.path.abspath(__file__), '--grown', what, '--batch', str(o.batch), '--length',
               str(o.length), '--threads', str(o.threads), '--n', '64'] + ['--lean'] * lean
    if mixer:
        command += ['--epoch', o.epoch, '--mixers', mixer]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout)


def print_grown(o):
    if o.epoch:
        epoch = Epoch(o.grown, o.epoch, o.mixers)
        run = lambda: epoch.step(*epoch.batches[-1])
    else:
        run = next(case for case in step_cases(o, o.grown) if case.label == o.grown).run
    before = status('VmRSS')
    in_form(o.lean, lambda: (run(), run()))
    print(status('VmHWM') - before)


# ---- timing ----

def timed(run):
    """Once without measuring, then as often as fills 20 ms; seconds a call."""
    start = time.perf_counter()
    run()
    calls = max(1, min(10000, int(0.02 / (time.perf_counter() - start))))
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def skiff(o, case):
    command = [o.bench, '--filter', case.label, '--json', '-', '--repeats', '1', '--batch', str(o.batch), '--dim',
               str(o.dim), '--threads', str(o.threads)]
    command += ['--n', str(case.n)] if case.label.startswith('op/') else ['--length', str(o.length), '--n', '64']
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout.splitlines()
    rows = [row for row in map(json.loads, lines) if row['kind'] != 'floor']
    if len(rows) != 1 or rows[0]['n'] != case.n:
        sys.exit(f'error: {case.label}: bench measured something else: {rows}')
    if rows[0]['parameters'] != case.parameters:
        sys.exit(f"error: {case.label}: {rows[0]['parameters']} parameters, here {case.parameters}")
    return rows[0]


def in_form(lean, f):
    Operator.lean = lean
    return f()


def difference(case):
    """Largest relative difference of the two forms over outputs and gradients."""
    pairs = zip(in_form(False, case.output), in_form(True, case.output))
    return max(float((a - b).norm() / b.norm().clamp(min=1e-6)) for a, b in pairs)


def compare(o, case):
    apart = difference(case)
    if apart > 1e-3:
        sys.exit(f'error: {case.label}: the two forms differ by {apart:.1e}')
    if o.check:
        print(f'{case.label:<26} {case.n:6d}  the forms agree to {apart:.1e}')
        return
    times = {'skiff': [], 'published': [], 'lean': []}
    for _ in range(o.rounds):
        row = skiff(o, case)
        times['skiff'].append(row['median_s'])
        times['published'].append(in_form(False, lambda: timed(case.run)))
        times['lean'].append(in_form(True, lambda: timed(case.run)))
    text = f'{case.label:<26} {case.n:6d}'
    for name in times:
        text += f' {1e3 * statistics.median(times[name]):11.3f}'
    for name in ('published', 'lean'):
        ratios = [theirs / ours for theirs, ours in zip(times[name], times['skiff'])]
        text += f'  {statistics.median(ratios):6.2f} ({min(ratios):.2f} .. {max(ratios):.2f})'
    if case.label.startswith('step/'):
        text += f"  MB: {row['peak_tensor_bytes'] / 1e6:.0f}"
        for lean in (False, True):
            text += f' {grown(o, case.label, None, lean) / 1e6:.0f}'
    print(text, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--bench', default='build/cpu/bench', help='the program bench')
    parser.add_argument('--n', default='1024,2048,4096', help='lengths of the operators')
    parser.add_argument('--batch', type=int, default=0, help="0: 8, and of an epoch the recipe's")
    parser.add_argument('--dim', type=int, default=128, help='channels of the operators')
    parser.add_argument('--length', type=int, default=0, help="tokens of a step; 0: the recipe's")
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--filter', default='', help='only labels that hold one of these, as in bench')
    parser.add_argument('--check', action='store_true', help='only compare outputs: with the reference tensors, and of the two forms')
    parser.add_argument('--epoch', choices=('listops', 'text'), help='compare an epoch on real data, as bench --epoch does')
    parser.add_argument('--data', default='data', help='folder of the data of --epoch')
    parser.add_argument('--examples', type=int, default=0, help='training examples of --epoch; 0: all')
    parser.add_argument('--batches', type=int, default=12, help='batches of --epoch that are measured, of every length')
    parser.add_argument('--mixers', default='tno,ski,fd', help='mixers of --epoch')
    parser.add_argument('--grown', help=argparse.SUPPRESS)  # a step whose memory to print
    parser.add_argument('--lean', action='store_true', help=argparse.SUPPRESS)
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    torch.set_flush_denormal(True)
    if o.grown:
        return print_grown(o)
    if o.epoch:
        return compare_epochs(o)
    o.batch = o.batch or 8
    parts = o.filter.split(',')
    if o.check:
        check_references(os.path.dirname(os.path.abspath(__file__)))
    print(f'PyTorch {torch.__version__}, {o.threads} threads, batch {o.batch}, {o.rounds} rounds by turns')
    if not o.check:
        print(f"{'ms':<26} {'n':>6} {'skiff':>11} {'published':>11} {'lean':>11}  published/skiff  lean/skiff")
    for n in map(int, o.n.split(',')):
        for case in operator_cases(o, n):
            if any(part in case.label for part in parts):
                compare(o, case)
    for case in step_cases(o):
        if any(part in case.label for part in parts):
            compare(o, case)


if __name__ == '__main__':
    main()
