// Mixer: an operator that mixes the positions of a sequence, each channel for itself.
#pragma once

#include <functional>
#include <memory>

#include "autograd/tape.h"
#include "layers/parameters.h"

namespace skiff {

// The kernel of a causal mixer at another length than in training: of ski, and of tno whose network
// reads l/(n-1); others have one answer.
enum class Beyond {
  Extend,  // the first lags do not change: inducing points keep their distance and more follow, and
           // n is that of training
  Rescale  // as many inducing points farther apart, as published, and n is the new length
};

struct Mixer {
  virtual ~Mixer() = default;
  // x (.., n, .., channels), mixed along the axis of size n.
  virtual Variable operator()(const Variable& x, int64_t axis = -2) const = 0;
  // The kernel of a causal operator for lags 0 .. lags-1, (lags, channels), not recorded. That of
  // fd depends slightly on the number of lags, so a text has one kernel. UsageError for a
  // bidirectional operator and for one whose product is no Toeplitz matrix.
  virtual Tensor causal_taps(int64_t lags, Beyond beyond = Beyond::Extend) const;
};

// What the place of a mixer in a model fixes.
struct MixerShape {
  int64_t channels = 0;
  int64_t train_length = 0;  // most positions along the axis in training; for ski and tno
};

using MakeMixer = std::function<std::unique_ptr<Mixer>(const Scope&, const MixerShape&)>;

// Makes mixers of one type: maker_of<Tno>(kernel_options, tno_options).
template <class M, class... Options>
MakeMixer maker_of(const Options&... options) {
  return [=](const Scope& s, const MixerShape& shape) -> std::unique_ptr<Mixer> {
    return std::make_unique<M>(s, shape, options...);
  };
}

}  // namespace skiff
