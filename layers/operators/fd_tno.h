// FdTno: the Toeplitz operator in the frequency domain, FD-TNN of arXiv 2305.09028 (ski-tnn
// laxtnn/modules/tno_fd.py). A network of the frequency gives the response itself:
//   F = smallest power of two >= 2n,  w_k = pi k / (F/2),  k = 0 .. F/2
//   causal         S = hilbert(rpe(w))        real part from the network, imaginary part follows
//   bidirectional  S = re + i im              two outputs of the network per channel
//   y = irfft(S rfft(x, F), F), first n samples
// No decay and no positions: the smoothness of the response plays that role.
#pragma once

#include "layers/operators/mixer.h"
#include "layers/operators/rpe.h"

namespace skiff {

struct FdOptions {
  int64_t heads = 1;   // bidirectional outputs: per head its real parts, then its imaginary parts
  int64_t points = 0;  // 0: FdTno; else FdTnoFree with this many

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "fd-heads",
           .help = "fd: groups of channels, in the order of outputs only",
           .low = 1,
           .high = 1024},
          o.heads);
    field({.name = "fd-points",
           .help = "fd: this many free coefficients per channel in place of the network; 0: the "
                   "network",
           .low = 0,
           .high = 65536},
          o.points);
  }
};

struct FdTno : Mixer {
  int64_t channels, heads;
  bool causal;
  Rpe rpe;  // of w and, with kernel-input log, of log(w + 2 pi/F), which is finite at w = 0
  FdTno(const Scope& s, const MixerShape& shape, const KernelOptions& kernel,
        const FdOptions& o = {});
  Variable response(int64_t F) const;  // complex (F/2 + 1, channels)
  Variable operator()(const Variable& x, int64_t axis = -2) const override;
  Tensor causal_taps(int64_t lags, Beyond beyond = Beyond::Extend) const override;
};

// FD without a network (tno_fd_norpe.py; an experiment of its authors): `points` coefficients per
// channel, resized linearly to bins 1 .. F/2, and one value for bin 0.
struct FdTnoFree : Mixer {
  int64_t channels;
  bool causal;
  Variable dc;      // (channels, 1)
  Variable re, im;  // (channels, points); causal: re only
  FdTnoFree(const Scope& s, const MixerShape& shape, const KernelOptions& kernel,
            const FdOptions& o);
  Variable response(int64_t F) const;
  Variable operator()(const Variable& x, int64_t axis = -2) const override;
  Tensor causal_taps(int64_t lags, Beyond beyond = Beyond::Extend) const override;
};

}  // namespace skiff
