// The table of mixers, the options that each one reads, and the settings that none can have.
#include <algorithm>
#include <string>
#include <vector>

#include "layers/mixers.h"
#include "layers/model.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

TEST_CASE("mixers: impossible settings are refused") {
  Parameters store(1);
  const auto fails = [&](const std::string& part, const auto& f) {
    const std::string message = message_of(f);
    CAPTURE(message);
    CHECK(contains(message, part));
  };
  const Scope root = store.root();
  const MixerShape two{.channels = 2}, three{.channels = 3}, long_two{2, 8};
  fails("heads do not divide", [&] { Tno(root / "a", three, {}, {.heads = 2}); });
  fails("gamma must lie in [0, 1]", [&] { Tno(root / "b", two, {.gamma = 1.5}); });
  fails("causal models only",
        [&] { Tno(root / "c", two, {}, {.positions = Positions::Exponential}); });
  fails("at least 2 inducing points",
        [&] { SkiTno(root / "d", long_two, {}, {.inducing_points = 1}); });
  fails("needs the training length", [&] { SkiTno(root / "e", two, {}); });
  fails("warp base must lie in (0, 1]",
        [&] { SkiTno(root / "f", two, {.gamma = 0}, {.warp = Warp::Gamma}); });
  fails("heads do not divide", [&] { FdTno(root / "g", three, {}, {.heads = 2}); });
  fails("at least 1 free coefficient", [&] { FdTnoFree(root / "h", two, {}, {}); });
}

TEST_CASE("mixers: every entry of the registry makes a model, and no other word does") {
  for (const MixerEntry& entry : mixers()) {
    CAPTURE(std::string(entry.name));
    CHECK(&mixer_named(entry.name) == &entry);
    CHECK((entry.make != nullptr) != (entry.make_unit != nullptr));
    CHECK(std::string(entry.hint).size() > 10);
    const ModelOptions options{.mixer = entry.name, .dim = 8};
    Parameters store(1);
    const auto unit = make_sequence_unit(store.root(), options, {.max_length = 12});
    CHECK((*unit)(random_normal({2, 12, 8}, DType::Float32, 1)).shape() == Shape{2, 12, 8});
  }
  CHECK(contains(message_of([] { mixer_named("skii"); }), "did you mean 'ski'?"));
}

TEST_CASE("mixers: only options that the mixer of a model does not read are unread") {
  const auto unread = [](const ModelOptions& options, const std::string& name) {
    const std::vector<std::string> names = unread_options(options);
    return std::count(names.begin(), names.end(), name) > 0;
  };
  const std::vector<std::string> known = field_names<ModelOptions>();
  for (const MixerEntry& entry : mixers())
    for (const std::string& name : entry.options({}))
      CHECK_MESSAGE(std::count(known.begin(), known.end(), name) == 1, name);
  CHECK(unread({.mixer = "tno"}, "filter"));
  CHECK(unread({.mixer = "tno"}, "heads"));
  CHECK_FALSE(unread({.mixer = "tno"}, "max-lag"));
  CHECK_FALSE(unread({.mixer = "tno"}, "dim"));
  // what depends on another option
  CHECK(unread({.mixer = "tno"}, "rpe-layers"));
  CHECK_FALSE(unread({.mixer = "tno", .tno = {.network = TnoNetwork::Tnn}}, "rpe-layers"));
  CHECK(unread({.mixer = "ski"}, "gamma"));
  CHECK_FALSE(unread({.mixer = "ski", .ski = {.warp = Warp::Gamma}}, "gamma"));
  CHECK_FALSE(unread({.mixer = "ski", .ski = {.form = SkiForm::Published}}, "gamma"));
  CHECK(unread({.mixer = "fd", .fd = {.points = 3}}, "rpe-width"));
}

TEST_CASE("mixers: batch statistics of a causal model are refused") {
  Parameters store(1);
  const InputShape shape{.vocab = 5, .classes = 2, .max_length = 8};
  const ModelOptions options{
      .mixer = "ski", .dim = 8, .norm = NormKind::Batch, .kernel = {.causal = true}};
  CHECK(contains(message_of([&] { Model(store.root() / "b", options, shape); }), "norm 'batch'"));
}
