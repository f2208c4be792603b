// Mixer: an operator that mixes the positions of a sequence, each channel for itself.
#pragma once

#include <functional>
#include <memory>

#include "autograd/tape.h"
#include "layers/parameters.h"

namespace skiff {

struct Mixer {
  virtual ~Mixer() = default;
  // x (.., n, .., channels), mixed along the axis of size n.
  virtual Variable operator()(const Variable& x, int64_t axis = -2) const = 0;
};

// What the place of a mixer in a model fixes.
struct MixerShape {
  int64_t channels = 0;
  int64_t train_length = 0;  // most positions along the axis in training; only ski asks for it
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
