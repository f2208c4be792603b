// Tno: the Toeplitz operator of TNN (arXiv 2305.04749), a network of the lag times a decay:
//   t[l] = act( decay(l) rpe(position(l)) ),   y[i] = sum_j t[i-j] x[j]
// Sources: ski-tnn laxtnn/modules/tno.py; with LraRpe and max_lag = 1023, the LRA baseline of
// lra-tnn dynamic_toeplitz_encoding_multihead_v4.py.
#pragma once

#include <variant>

#include "layers/operators/host_values.h"
#include "layers/operators/mixer.h"
#include "layers/operators/rpe.h"

namespace skiff {

enum class Decay {
  None,
  Fixed,     // gamma^|l|, one gamma for all channels, not trained
  Spectrum,  // g^|l|, not trained, from g = 1/2 of the first of C channels on: g = 1 - 2^-(1 + 10
             // c/C), and 1 in the last tenth. So some channels see 2 positions and some all, as
             // with the time scales of S4 and SGConv
  Learned    // g^|l|, g = gamma + (1 - gamma) sigmoid(theta), theta (channels) trained from N(0, 1)
};
enum class Positions { Lag = 1, Scaled = 2, Exponential = 3 };  // l;  l/(n-1);  exp(l/(n-1))

enum class TnoNetwork { Lra, Tnn };  // variant B or A of rpe.h

inline std::span<const Word<Decay>> words_of(Decay) {
  static constexpr Word<Decay> kWords[] = {{Decay::None, "none"},
                                           {Decay::Fixed, "fixed"},
                                           {Decay::Spectrum, "spectrum"},
                                           {Decay::Learned, "learned"}};
  return kWords;
}
inline std::span<const Word<Positions>> words_of(Positions) {
  static constexpr Word<Positions> kWords[] = {{Positions::Lag, "lag"},
                                               {Positions::Scaled, "scaled"},
                                               {Positions::Exponential, "exponential"}};
  return kWords;
}
inline std::span<const Word<TnoNetwork>> words_of(TnoNetwork) {
  static constexpr Word<TnoNetwork> kWords[] = {{TnoNetwork::Lra, "lra"}, {TnoNetwork::Tnn, "tnn"}};
  return kWords;
}

struct TnoOptions {
  TnoNetwork network = TnoNetwork::Lra;
  int64_t max_lag = 0;  // the kernel is 0 beyond it; 0: no limit
  Decay decay = Decay::Fixed;
  Positions positions = Positions::Lag;
  Activation activation = Activation::None;
  bool normalize = false;  // divide by the operator's output for an all-ones input
  int64_t heads = 1;       // groups of channels; only the shape of gamma shows them

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "tno-rpe",
           .help = "tno: the kernel's network, as in the LRA code (lra) or in the language models "
                   "(tnn)"},
          o.network);
    field({.name = "max-lag",
           .help = "tno: largest lag of the kernel; 0: no limit",
           .low = 0,
           .high = 1e15},
          o.max_lag);
    field({.name = "tno-decay", .help = "tno: decay of the kernel with the lag"}, o.decay);
    field({.name = "tno-positions", .help = "tno: the network reads l, l/(n-1) or exp(l/(n-1))"},
          o.positions);
    field({.name = "tno-activation", .help = "tno: activation of the kernel"}, o.activation);
    field({.name = "tno-normalize", .help = "tno: outputs are divided by those for ones"},
          o.normalize);
    field({.name = "tno-heads",
           .help = "tno: groups of channels, in the shape of gamma only",
           .low = 1,
           .high = 1024},
          o.heads);
  }
};

struct Tno : Mixer {
  int64_t channels, train_length;
  KernelOptions kernel_options;
  TnoOptions options;
  std::variant<Rpe, LraRpe> rpe;
  // (heads, 1, channels / heads): theta if learned, the decay itself if fixed or a spectrum; empty
  // without a decay.
  Variable gamma;

  Tno(const Scope& s, const MixerShape& shape, const KernelOptions& kernel,
      const TnoOptions& o = {});
  // The kernel for sequences of length n, laid out as toeplitz() wants it. length: n of the
  // positions l/(n-1), if it is another one.
  Variable kernel(int64_t n, int64_t length = 0) const;
  Variable operator()(const Variable& x, int64_t axis = -2) const override;
  Tensor causal_taps(int64_t lags, Beyond beyond = Beyond::Extend) const override;

 private:
  Variable decay(const std::vector<double>& lags) const;  // (lags, channels)
  struct FixedDecay {  // the last table; from step to step its bases and lags usually stay the same
    std::vector<double> gamma, lags;
    Tensor table;
    std::vector<double> powers;  // of gamma: (distances, channels), as many as were needed so far
  };
  mutable FixedDecay fixed_;
  mutable HostValues gamma_values_;
};

}  // namespace skiff
