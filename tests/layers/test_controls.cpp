// The controls conv and none: what they compute, and that they fit every place of a mixer.
#include "autograd/ops.h"
#include "layers/generation/generator.h"
#include "layers/mixers.h"
#include "layers/operators/controls.h"
#include "tests/support/language_models.h"

using namespace skiff;
using namespace skiff::testing;

TEST_CASE("controls: conv is ski without its inducing points") {
  for (const bool causal : {false, true})
    for (const bool scaled : {false, true}) {
      CAPTURE(causal);
      const KernelOptions kernel{.causal = causal};
      const SkiOptions o{.inducing_points = 4, .filter = 6, .scaled = scaled};
      Parameters store(3, DType::Float64);
      const MixerShape shape{.channels = 5, .train_length = 20};
      const ShortConv conv(store.root() / "a", shape, kernel, o);
      const SkiTno ski(store.root() / "b", shape, kernel, o);
      for (const auto& table : {ski.alphas, ski.betas})
        if (table.value()) {
          Tensor values = table.value();
          std::fill_n(values.data<double>(), values.size(), 0.0);
        }
      Tensor filter = ski.conv_kernel.value();
      CHECK(filter.shape() == conv.conv_kernel.shape());
      std::copy_n(std::as_const(conv.conv_kernel.value()).data<double>(), filter.size(),
                  filter.data<double>());
      const Variable x = random64({2, 20, 5}, 1);
      CHECK(distance(conv(x).value(), ski(x).value()) < 1e-12);
    }
}

TEST_CASE("controls: none leaves positions alone, and its causal kernel is 1 at lag 0") {
  Parameters store(3, DType::Float64);
  const NoMixing none(store.root() / "a", {.channels = 3});
  const Tensor x = random64({2, 7, 3}, 1);
  CHECK((to_vector(none(x, -2).value()) == to_vector(x)));
  const Tensor taps = none.causal_taps(7);
  const Variable y = toeplitz(taps, Variable(x), Direction::Causal, -2);
  CHECK(distance(y.value(), x) < 1e-14);
}

TEST_CASE("controls: --mixer takes them, tables of all mixers do not hold them") {
  CHECK(mixer_names() == std::vector<std::string>{"ski", "tno", "fd", "attention"});
  CHECK(mixer_words() == std::vector<std::string>{"ski", "tno", "fd", "attention", "conv", "none"});
  CHECK(contains(message_of([] { mixer_named("con"); }), "ski, tno, fd, attention, conv, none"));
  for (const MixerEntry& entry : controls())
    for (const InputShape shape :
         {InputShape{.max_length = 12}, InputShape{.max_length = 12, .height = 3, .width = 4}}) {
      CAPTURE(std::string(entry.name));
      CHECK(&mixer_named(entry.name) == &entry);
      const ModelOptions options{.mixer = entry.name, .dim = 8, .ski = {.filter = 3}};
      Parameters params(1);
      const auto unit = make_sequence_unit(params.root(), options, shape);
      CHECK((*unit)(random_normal({2, 12, 8}, DType::Float32, 1)).shape() == Shape{2, 12, 8});
    }
  const auto unread = unread_options({.mixer = "none"});
  CHECK(std::count(unread.begin(), unread.end(), "filter") == 1);
}

TEST_CASE("controls: a causal model sees nothing later, and generates what it computes at once") {
  for (const MixerEntry& entry : controls()) {
    CAPTURE(std::string(entry.name));
    ModelOptions o = causal_mixers()[0];
    o.mixer = entry.name;
    o.start = Start::Default;
    Parameters store(2, DType::Float64);
    const LanguageModel model(store.root(), o, {}, kShape);
    const Tensor tokens = tokens_below(9, {1, 16}, 1);
    Tensor changed = tokens_below(9, {1, 16}, 2);
    std::copy_n(tokens.data<int32_t>(), 7, changed.data<int32_t>());
    const Tensor before = model.logits(model.features(tokens)).value();
    const Tensor after = model.logits(model.features(changed)).value();
    CHECK(distance(positions_of(after, 0, 7), positions_of(before, 0, 7)) < 1e-12);
    CHECK(distance(after, before) > 1e-6);
    const auto& unit = dynamic_cast<const Gtu&>(*model.trunk.blocks[0].unit);
    const Tensor taps = unit.mixer->causal_taps(16);
    const Variable x = random64({1, 16, taps.size(1)}, 5);
    CHECK(distance(toeplitz(taps, x, Direction::Causal, -2).value(), (*unit.mixer)(x).value()) <
          1e-12);
  }
}
