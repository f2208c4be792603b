#include "layers/mixers.h"

#include <algorithm>

#include "layers/blocks/gtu.h"

// One line per mixer, in the order of tables. NAME_mixer() is defined in the file of the mixer.
#define SKIFF_MIXERS(MIXER) \
  MIXER(ski)                \
  MIXER(tno)                \
  MIXER(fd)                 \
  MIXER(attention)

namespace skiff {

#define SKIFF_DECLARE(name) MixerEntry name##_mixer();
SKIFF_MIXERS(SKIFF_DECLARE)
#undef SKIFF_DECLARE

const std::vector<MixerEntry>& mixers() {
#define SKIFF_ENTRY(name) name##_mixer(),
  static const std::vector<MixerEntry> table = {SKIFF_MIXERS(SKIFF_ENTRY)};
#undef SKIFF_ENTRY
  return table;
}

const MixerEntry& mixer_named(const std::string& name) {
  return find_named(mixers(), name, "mixer");
}

std::vector<std::string> mixer_names() { return names_of(mixers()); }

std::vector<std::string> unread_options(const ModelOptions& options) {
  const std::vector<std::string> read = mixer_named(options.mixer).options(options);
  std::vector<std::string> unread;
  const auto has = [](const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const MixerEntry& entry : mixers())
    for (const std::string& name : entry.options(options))
      if (!has(read, name) && !has(unread, name)) unread.push_back(name);
  return unread;
}

std::unique_ptr<SequenceUnit> make_sequence_unit(const Scope& block, const ModelOptions& options,
                                                 const InputShape& shape) {
  const MixerEntry& entry = mixer_named(options.mixer);
  if (!entry.reads_images()) return entry.make_unit(block, options);
  const bool image = options.layout == Layout::Image && shape.height > 0;
  const GtuOptions gtu{.dim = options.dim,
                       .inner = options.inner(),
                       .train_length = shape.max_length,
                       .height = image ? shape.height : 0,
                       .width = image ? shape.width : 0,
                       .start = options.start,
                       .dropout = options.dropout};
  return std::make_unique<Gtu>(block / "gtu", gtu, [&](const Scope& s, const MixerShape& place) {
    return entry.make(s, place, options);
  });
}

}  // namespace skiff
