#include "layers/mixers.h"

#include <algorithm>

#include "layers/blocks/gtu.h"

// One line per mixer, in the order of tables. NAME_mixer() is defined in the file of the mixer.
#define SKIFF_MIXERS(MIXER) \
  MIXER(ski)                \
  MIXER(tno)                \
  MIXER(fd)                 \
  MIXER(attention)
// What they are compared with: offered by --mixer, but in no table of all mixers.
#define SKIFF_CONTROLS(MIXER) \
  MIXER(conv)                 \
  MIXER(none)

namespace skiff {

#define SKIFF_DECLARE(name) MixerEntry name##_mixer();
SKIFF_MIXERS(SKIFF_DECLARE)
SKIFF_CONTROLS(SKIFF_DECLARE)
#undef SKIFF_DECLARE

#define SKIFF_ENTRY(name) name##_mixer(),
const std::vector<MixerEntry>& mixers() {
  static const std::vector<MixerEntry> table = {SKIFF_MIXERS(SKIFF_ENTRY)};
  return table;
}
const std::vector<MixerEntry>& controls() {
  static const std::vector<MixerEntry> table = {SKIFF_CONTROLS(SKIFF_ENTRY)};
  return table;
}
#undef SKIFF_ENTRY

const MixerEntry& mixer_named(const std::string& name) {
  check_word("mixer", name, mixer_words());
  const std::vector<std::string> compared = mixer_names();
  const bool control = std::find(compared.begin(), compared.end(), name) == compared.end();
  return find_named(control ? controls() : mixers(), name, "mixer");
}

std::vector<std::string> mixer_names() { return names_of(mixers()); }

std::vector<std::string> mixer_words() {
  std::vector<std::string> words = mixer_names();
  for (const MixerEntry& control : controls()) words.push_back(control.name);
  return words;
}

bool is_of_kernel(const Parameter& p) { return p.name.find(".toep") != std::string::npos; }

std::vector<std::string> unread_options(const ModelOptions& options) {
  const std::vector<std::string> read = mixer_named(options.mixer).options(options);
  std::vector<std::string> unread;
  const auto has = [](const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  // What a mixer reads may depend on other options. So a name that no mixer reads now counts as
  // well, if one would read it by default.
  for (const ModelOptions& o : {options, ModelOptions()})
    for (const MixerEntry& entry : mixers())
      for (const std::string& name : entry.options(o))
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
