// The mixers by name: what --mixer offers, what tables and benchmarks list, and what models are
// made of.
//
// A new mixer is one file that defines its entry, and one line in mixers.cpp:
//
//   struct ShortFilter : Mixer { .. };
//   MixerEntry short_filter_mixer() {
//     return {.name = "short_filter",
//             .hint = "a filter of --filter positions",
//             .make = [](const Scope& s, const MixerShape& shape, const ModelOptions& o)
//                 -> std::unique_ptr<Mixer> { return std::make_unique<ShortFilter>(..); },
//             .options = [](const ModelOptions&) { return std::vector<std::string>{"filter"}; }};
//   }
//
// A mixer acts along one axis, inside the gated unit, which also serves the rows and columns of an
// image. What cannot, as attention, replaces the gated unit: it gives make_unit in place of make.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "layers/blocks/sequence_unit.h"
#include "layers/operators/mixer.h"
#include "layers/options.h"

namespace skiff {

struct MixerEntry {
  const char* name;
  const char* hint;  // one line
  std::unique_ptr<Mixer> (*make)(const Scope&, const MixerShape&, const ModelOptions&) = nullptr;
  std::unique_ptr<SequenceUnit> (*make_unit)(const Scope& block, const ModelOptions&) = nullptr;
  // Those of the options of mixers that this one reads, beside the given ones.
  std::vector<std::string> (*options)(const ModelOptions&);

  bool reads_images() const { return make != nullptr; }  // by rows and columns
};

const std::vector<MixerEntry>& mixers();
// What mixers are compared with in the same trunk (operators/controls.h).
const std::vector<MixerEntry>& controls();
// Of mixers and controls. Throws UsageError "--mixer: must be one of .., got 'name'".
const MixerEntry& mixer_named(const std::string& name);

// Whether a parameter is part of a Toeplitz operator: its network, filter, inducing points or
// decay.
bool is_of_kernel(const Parameter& p);

// The options of other mixers: a flag for one of them has no effect on this model.
std::vector<std::string> unread_options(const ModelOptions& options);

// The unit of a block that mixes positions, with the mixer of the options.
std::unique_ptr<SequenceUnit> make_sequence_unit(const Scope& block, const ModelOptions& options,
                                                 const InputShape& shape);

}  // namespace skiff
