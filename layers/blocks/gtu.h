// Gated Toeplitz unit, along a sequence or along the rows and columns of an image.
#pragma once

#include "core/options.h"
#include "layers/blocks/sequence_unit.h"
#include "layers/operators/mixer.h"
#include "layers/units/activation.h"
#include "layers/units/dropout.h"
#include "layers/units/linear.h"

namespace skiff {

// How weights start: PyTorch's default, or N(0, 0.02^2) for weights and biases, as in the LRA code.
enum class Start { Default, Small };
inline std::span<const Word<Start>> words_of(Start) {
  static constexpr Word<Start> kWords[] = {{Start::Default, "default"}, {Start::Small, "small"}};
  return kWords;
}

struct GtuOptions {
  int64_t dim = 0, inner = 0;
  int64_t train_length = 0;       // of sequences
  int64_t height = 0, width = 0;  // both set: an image of n = height width positions
  Activation activation = Activation::Silu;
  Start start = Start::Small;
  double dropout = 0;  // on the mixed values, images only (as published)
};

// y = o( act(u x) * T act(v x) )
struct Gtu : SequenceUnit {
  Activation activation;
  Linear u_proj, v_proj, o;
  std::unique_ptr<Mixer> mixer;  // T; a Mixer2d for images
  Dropout drop;
  Gtu(const Scope& s, const GtuOptions& options, const MakeMixer& make);
  Variable operator()(const Variable& x, const Tensor& lengths = {}) const override;

 private:
  Variable mixed(const Variable& v, const Tensor& lengths) const;  // T act(v)
};

}  // namespace skiff
