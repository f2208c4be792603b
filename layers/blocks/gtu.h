// Gated Toeplitz unit, along a sequence or along the rows and columns of an image.
#pragma once

#include <variant>

#include "layers/operators/fd_tno.h"
#include "layers/operators/ski_tno.h"
#include "layers/operators/tno.h"
#include "layers/units/linear.h"

namespace skiff {

// One of the Toeplitz operators, as a setting and as a layer. Channels are filled in by the unit.
using MixerConfig = std::variant<TnoConfig, SkiTnoConfig, FdTnoConfig, FdTnoFreeConfig>;

struct Mixer {
  std::variant<Tno, SkiTno, FdTno, FdTnoFree> op;
  Mixer(Scope s, MixerConfig config, int64_t channels);
  Variable operator()(const Variable& x, int64_t axis = -2) const;
};

// Rows and columns of an image (.., H W, channels), row-major: T1 along rows, T2 along columns.
// The published sum T2 T1 v + T1 T2 v is 2 T2 T1 v, because the two act on axes of their own,
// channel by channel, and so commute: one product, doubled.
struct Mixer2d {
  int64_t height, width;
  Mixer toep1, toep2;
  Mixer2d(Scope s, const MixerConfig& config, int64_t channels, int64_t height, int64_t width);
  Variable operator()(const Variable& x) const;
};

// How weights start: PyTorch's default, or N(0, 0.02^2) for weights and biases, as in the LRA code.
enum class Start { Default, Small };
inline std::span<const Word<Start>> words_of(Start) {
  static constexpr Word<Start> kWords[] = {{Start::Default, "default"}, {Start::Small, "small"}};
  return kWords;
}

struct GtuConfig {
  int64_t dim = 0, inner = 0;
  MixerConfig mixer;
  Activation activation = Activation::Silu;
  Start start = Start::Small;
  int64_t height = 0, width = 0;  // both set: an image of n = height width positions
  double dropout = 0;             // on the mixed values, images only (as published)
};

// y = o( act(u x) * T act(v x) );  (B, n, dim) -> (B, n, dim)
struct Gtu {
  Activation activation;
  Linear u_proj, v_proj, o;
  std::variant<Mixer, Mixer2d> toep;
  Dropout drop;
  Gtu(Scope s, const GtuConfig& c);
  // With lengths, what stands beyond them is not mixed in.
  Variable operator()(const Variable& x, const Tensor& lengths = {}) const;
};

// y = l3( dropout(act(l1 x)) * l2 x ): the channel mixer.
struct Glu {
  Activation activation;
  Linear l1, l2, l3;
  Dropout drop;
  Glu(Scope s, int64_t dim, int64_t inner, double dropout = 0,
      Activation activation = Activation::Silu);
  Variable operator()(const Variable& x) const;
};

}  // namespace skiff
