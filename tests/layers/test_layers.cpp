// Layers one by one: what each computes, written out from its formula, and where dropout acts.
#include <map>
#include <string>

#include "layers/blocks/gtu.h"
#include "layers/blocks/mixer2d.h"
#include "layers/mixers.h"
#include "layers/model.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

// Overwrites a parameter, as the loading of a checkpoint does.
void fill(Tensor parameter, const std::vector<double>& numbers) {
  REQUIRE(parameter.size() == int64_t(numbers.size()));
  std::copy(numbers.begin(), numbers.end(), parameter.data<double>());
}
void fill(const Variable& parameter, const std::vector<double>& numbers) {
  fill(parameter.value(), numbers);
}

Tensor tokens(int64_t B, int64_t n, int64_t limit, uint64_t seed) {
  Random random(seed);
  Tensor x({B, n}, DType::Int32);
  for (int64_t i = 0; i < x.size(); ++i) x.data<int32_t>()[i] = int32_t(random.below(limit));
  return x;
}

const ClassHead& class_head(const Model& model) {
  return dynamic_cast<const ClassHead&>(*model.head);
}

}  // namespace

// ---- norms ----

TEST_CASE("norm: the parameters of every kind have their published names") {
  const std::map<std::string, std::map<std::string, bool>> kinds = {
      // name -> trained
      {"none", {}},
      {"simplerms", {}},
      {"rms", {{"n.scale", true}}},
      {"gatedrms", {{"n.scale", true}, {"n.gate", true}}},
      {"layer", {{"n.weight", true}, {"n.bias", true}}},
      {"batch",
       {{"n.weight", true},
        {"n.bias", true},
        {"n.running_mean", false},
        {"n.running_var", false}}}};
  CHECK(all_words<NormKind>().size() == kinds.size());
  for (const auto& kind : kinds) {
    CAPTURE(kind.first);
    Parameters store(1);
    make_norm(store.root() / "n", value_for<NormKind>("norm", kind.first), 5);
    std::map<std::string, bool> names;
    for (const Parameter& p : store.all()) {
      names[p.name] = p.trained;
      CHECK(p.variable.shape() == Shape{5});
      const bool one = contains("n.scale n.gate n.weight n.running_var", p.name);
      CHECK(to_vector(p.variable.value()) == std::vector<double>(5, one ? 1 : 0));
    }
    CHECK(names == kind.second);
  }
}

TEST_CASE("norm: rows follow their formula with every parameter away from its first value") {
  const int64_t rows = 6, d = 4;
  const Tensor x = random64({2, 3, d}, 1);
  const std::vector<double> a = {0.5, -2, 3, 1.5}, b = {-1, 0.25, 2, -0.5}, v = to_vector(x);
  for (const NormKind kind :
       {NormKind::None, NormKind::SimpleRms, NormKind::Rms, NormKind::GatedRms, NormKind::Layer}) {
    CAPTURE(int(kind));
    Parameters store(1, DType::Float64);
    const std::unique_ptr<Norm> norm = make_norm(store.root(), kind, d);
    const bool layer = kind == NormKind::Layer;
    if (layer || kind == NormKind::Rms || kind == NormKind::GatedRms)
      fill(store.find(layer ? "weight" : "scale")->variable, a);
    if (layer || kind == NormKind::GatedRms) fill(store.find(layer ? "bias" : "gate")->variable, b);
    std::vector<double> want;
    for (int64_t r = 0; r < rows; ++r) {
      double squares = 0, mean = 0, variance = 0;
      for (int64_t i = 0; i < d; ++i) {
        squares += v[size_t(r * d + i)] * v[size_t(r * d + i)];
        mean += v[size_t(r * d + i)] / double(d);
      }
      for (int64_t i = 0; i < d; ++i)
        variance += std::pow(v[size_t(r * d + i)] - mean, 2) / double(d);
      const double rms = std::sqrt(squares / double(d)) + 1e-8;
      for (size_t i = 0; i < size_t(d); ++i) {
        const double z = v[size_t(r * d) + i];
        switch (kind) {
          case NormKind::None:
            want.push_back(z);
            break;
          case NormKind::SimpleRms:
            want.push_back(z / rms);
            break;
          case NormKind::Rms:
            want.push_back(a[i] * z / rms);
            break;
          case NormKind::GatedRms:
            want.push_back(a[i] * (z / rms) / (1 + std::exp(-b[i] * z)));
            break;
          default:
            want.push_back((z - mean) / std::sqrt(variance + 1e-5) * a[i] + b[i]);
        }
      }
    }
    CHECK(distance((*norm)(x).value(), want) < 1e-14);
  }
}

TEST_CASE("norm: batch moves its statistics by a tenth, the variance unbiased, in training only") {
  const int64_t N = 6, d = 2;
  const Tensor x = random64({2, 3, d}, 1);
  const std::vector<double> v = to_vector(x), weight = {2, -3}, bias = {0.5, 1};
  const std::vector<double> old_mean = {0.5, -1}, old_var = {2, 3};
  Parameters store(1, DType::Float64);
  const BatchNorm norm(store.root(), d);
  fill(norm.weight, weight);
  fill(norm.bias, bias);
  fill(norm.running_mean, old_mean);
  fill(norm.running_var, old_var);
  std::vector<double> trained(v.size()), evaluated(v.size()), new_mean, new_var;
  for (size_t c = 0; c < size_t(d); ++c) {
    double mean = 0, squares = 0;
    for (size_t r = 0; r < size_t(N); ++r) mean += v[r * 2 + c] / double(N);
    for (size_t r = 0; r < size_t(N); ++r) squares += std::pow(v[r * 2 + c] - mean, 2);
    new_mean.push_back(0.9 * old_mean[c] + 0.1 * mean);
    new_var.push_back(0.9 * old_var[c] + 0.1 * squares / double(N - 1));
    for (size_t r = 0; r < size_t(N); ++r) {
      const double z = v[r * 2 + c], biased = squares / double(N);
      trained[r * 2 + c] = (z - mean) / std::sqrt(biased + 1e-5) * weight[c] + bias[c];
      evaluated[r * 2 + c] = (z - new_mean[c]) / std::sqrt(new_var[c] + 1e-5) * weight[c] + bias[c];
    }
  }
  CHECK(distance(norm(x).value(), trained) < 1e-13);
  CHECK(distance(norm.running_mean, new_mean) < 1e-14);
  CHECK(distance(norm.running_var, new_var) < 1e-14);
  store.set_training(false);
  CHECK(distance(norm(x).value(), evaluated) < 1e-13);
  CHECK(distance(norm.running_mean, new_mean) < 1e-14);  // where it was
  CHECK(distance(norm.running_var, new_var) < 1e-14);
}

// ---- dropout: where it acts, and by which mask ----

TEST_CASE("glu: dropout acts on the activated branch, by the mask of its name and step") {
  Parameters store(11, DType::Float64);
  const Glu glu(store.root() / "glu", 3, 5, 0.5);
  const Variable x = random64({2, 7, 3}, 1);
  const Variable a = silu(glu.l1(x)), b = glu.l2(x);
  for (const uint64_t step : {0, 3}) {
    store.set_step(step);
    const Variable kept = dropout(a, {0.5, 11, step, hash_name("glu.dropout")});
    CHECK(distance(glu(x).value(), glu.l3(kept * b).value()) < 1e-14);
  }
  store.set_training(false);
  CHECK(distance(glu(x).value(), glu.l3(a * b).value()) < 1e-14);
}

TEST_CASE("models: the dropout of the gated linear unit can be left out, alone") {
  const InputShape shape{.vocab = 7, .classes = 3, .max_length = 8};
  for (const bool inside : {true, false}) {
    CAPTURE(inside);
    Parameters store(11, DType::Float64);
    const Block block(store.root(), {.dim = 4, .dropout = 0.5, .glu_dropout = inside}, shape);
    CHECK(block.glu.drop.rate == (inside ? 0.5 : 0));
    CHECK(block.glu_drop.rate == 0.5);
  }
}

TEST_CASE("gtu: images drop mixed values in training, sequences never do") {
  for (const bool image : {false, true}) {
    CAPTURE(image);
    Parameters store(12, DType::Float64);
    const Gtu gtu(store.root() / "gtu",
                  {.dim = 3,
                   .inner = 5,
                   .height = image ? 2 : 0,
                   .width = image ? 4 : 0,
                   .start = Start::Default,
                   .dropout = 0.5},
                  maker_of<FdTno>(KernelOptions{.rpe = {.width = 4}}));
    const Variable x = random64({2, 8, 3}, 1);
    const Variable u = silu(gtu.u_proj(x)), v = silu(gtu.v_proj(x));
    const Variable mixed = (*gtu.mixer)(v);
    const Tensor whole = gtu.o(u * mixed).value();
    for (const uint64_t step : {0, 3}) {
      store.set_step(step);
      const Variable kept = dropout(mixed, {0.5, 12, step, hash_name("gtu.dropout")});
      CHECK(distance(gtu(x).value(), image ? gtu.o(u * kept).value() : whole) < 1e-14);
    }
    store.set_training(false);
    CHECK(distance(gtu(x).value(), whole) < 1e-14);
  }
}

TEST_CASE("models: dropout acts on both residual branches, before and after a norm") {
  for (const bool postnorm : {false, true}) {
    CAPTURE(postnorm);
    Parameters store(13, DType::Float64);
    const ModelOptions options{.mixer = "fd",
                               .layers = 1,
                               .dim = 6,
                               .glu_expand = 1,
                               .norm = NormKind::Layer,
                               .postnorm = postnorm,
                               .dropout = 0.5,
                               .start = Start::Default,
                               .kernel = {.rpe = {.width = 4}}};
    const Model model(store.root(), options, {.vocab = 7, .classes = 3});
    const Block& block = model.trunk.blocks[0];
    const Tensor ids = tokens(2, 9, 7, 1), lengths = tensor_of(std::vector<int32_t>{9, 5}, {2});
    const auto logits = [&] { return to_vector(model(ids, lengths).value()); };
    const Variable x = random64({2, 9, 6}, 1);
    const auto by_formula = [&](bool training) {
      const auto drop = [&](const Variable& f, const char* name) {
        return training ? dropout(f, {0.5, 13, store.step(), hash_name(name)}) : f;
      };
      const char *first = "layers.0.gtu_residual.dropout",
                 *second = "layers.0.glu_residual.dropout";
      if (!postnorm) {
        const Variable mixed = x + drop((*block.unit)((*block.unit_norm)(x)), first);
        return mixed + drop(block.glu((*block.glu_norm)(mixed)), second);
      }
      const Variable mixed = (*block.unit_norm)(x + drop((*block.unit)(x), first));
      return (*block.glu_norm)(mixed + drop(block.glu(mixed), second));
    };
    const std::vector<double> first = logits();
    CHECK(distance(block(x).value(), by_formula(true).value()) < 1e-14);
    store.set_step(1);
    CHECK(logits() != first);
    CHECK(distance(block(x).value(), by_formula(true).value()) < 1e-14);
    store.set_training(false);
    CHECK(distance(block(x).value(), by_formula(false).value()) < 1e-14);
  }
}

TEST_CASE("models: the encoder adds sinusoids, then drops a tenth while training") {
  const int64_t n = 40, d = 5;
  for (const bool sinusoids : {true, false}) {
    CAPTURE(sinusoids);
    Parameters store(14, DType::Float64);  // no layers, no norm: the trunk is its encoder
    const ModelOptions options{.mixer = "fd",
                               .layers = 0,
                               .dim = d,
                               .norm = NormKind::None,
                               .sinusoids = sinusoids,
                               .encoder_dropout = 0.1};
    const Trunk trunk(store.root(), options, {.vocab = 7, .classes = 2});
    trunk(tokens(1, n + 3, 7, 2));  // a longer input first: its table of positions is used again
    const Tensor ids = tokens(2, n, 7, 1);
    const double* rows = std::get<Embedding>(trunk.encoder).weight.value().data<double>();
    Tensor encoded({2, n, d}, DType::Float64);
    for (int64_t i = 0; i < encoded.size(); ++i) {
      const int64_t c = i % d, p = i / d % n;
      const double angle = double(p) * std::pow(10000.0, -double(c - c % 2) / double(d));
      const double pe = c % 2 == 0 ? std::sin(angle) : std::cos(angle);
      encoded.data<double>()[i] = rows[ids.data<int32_t>()[i / d] * d + c] + (sinusoids ? pe : 0);
    }
    for (const uint64_t step : {0, 3}) {
      store.set_step(step);
      const Variable kept = dropout(encoded, {0.1, 14, step, hash_name("encoder.dropout")});
      CHECK(distance(trunk(ids).value(), kept.value()) < 1e-13);
    }
    store.set_training(false);
    CHECK(distance(trunk(ids).value(), encoded) < 1e-13);
  }
}

// ---- Toeplitz operators ----

TEST_CASE("mixer2d: rows and columns commute, and the doubled product is the published sum") {
  const int64_t H = 5, W = 4, D = 3;
  const KernelOptions kernel{.gamma = 0.7, .rpe = {.width = 4, .layers = 0}};
  const std::vector<MakeMixer> makers = {
      maker_of<Tno>(kernel, TnoOptions{.network = TnoNetwork::Tnn}),
      maker_of<SkiTno>(kernel, SkiOptions{.inducing_points = 3, .filter = 3}),
      maker_of<FdTno>(kernel)};
  for (const MakeMixer& make : makers) {
    Parameters store(2, DType::Float64);
    const Mixer2d mixer(store.root(), D, H, W, make);
    const Variable x = random64({2, H * W, D}, 1), image = reshape(x, {2, H, W, D});
    const Variable first = (*mixer.columns)((*mixer.rows)(image, -2), -3);
    const Variable second = (*mixer.rows)((*mixer.columns)(image, -3), -2);
    CHECK(distance(first.value(), second.value()) < 1e-12);
    CHECK(distance(mixer(x).value(), reshape(first + second, x.shape()).value()) < 1e-12);
    CHECK(contains(message_of([&] {
                     mixer(random64({2, 7, D}, 1));
                   }),
                   "an image of 5 x 4 has 20 positions"));
  }
}

TEST_CASE("tno: shifting an input away from the borders shifts the output") {
  Parameters store(2, DType::Float64);
  const Tno tno(store.root(), {.channels = 2}, {.gamma = 0.9, .rpe = {.width = 4}},
                {.network = TnoNetwork::Tnn, .max_lag = 3});
  Tensor a = zeros({1, 20, 2}, DType::Float64), b = a.clone();
  for (int64_t d = 0; d < 2; ++d) a.data<double>()[8 * 2 + d] = b.data<double>()[11 * 2 + d] = 1;
  const std::vector<double> ya = to_vector(tno(a).value()), yb = to_vector(tno(b).value());
  for (size_t i = 0; i < 17 * 2; ++i) CHECK(std::abs(ya[i] - yb[i + 6]) < 1e-14);
}

TEST_CASE("mixer2d: the warp of each axis is made for the length of that axis") {
  const int64_t r = 6;
  Parameters store(1, DType::Float64);
  const Gtu gtu(store.root(), {.dim = 2, .inner = 2, .train_length = 15, .height = 3, .width = 5},
                maker_of<SkiTno>(KernelOptions{}, SkiOptions{.inducing_points = r, .filter = 3}));
  const auto base = [&](const char* name) { return item(store.find(name)->variable.value()); };
  CHECK(base("toep1.gamma") == doctest::Approx(std::pow(6.0, -1.0 / 4)).epsilon(1e-14));
  CHECK(base("toep2.gamma") == doctest::Approx(std::pow(6.0, -1.0 / 2)).epsilon(1e-14));
}

TEST_CASE("tno: a normalised output is the output over that of ones, along any axis") {
  const int64_t n = 5, width = 4, D = 3;
  for (const bool causal : {false, true}) {
    CAPTURE(causal);
    Parameters store(2, DType::Float64);
    const Tno tno(store.root(), {.channels = D},
                  {.causal = causal, .gamma = 0.8, .rpe = {.width = 4}},
                  {.network = TnoNetwork::Tnn, .normalize = true});
    const Tensor x = random64({2, n, D}, 1), kernel = tno.kernel(n).value();
    std::vector<double> want;
    for (int64_t b = 0; b < 2; ++b)
      for (int64_t i = 0; i < n; ++i)
        for (int64_t d = 0; d < D; ++d) {
          double y = 0, ones = 0;
          for (int64_t j = 0; j < (causal ? i + 1 : n); ++j) {
            const double t = kernel.data<double>()[(i >= j ? i - j : 2 * n + i - j) * D + d];
            y += t * x.data<double>()[(b * n + j) * D + d];
            ones += t;
          }
          want.push_back(y / ones);
        }
    CHECK(distance(tno(x).value(), want) < 1e-12);

    const Variable image = random64({2, n, width, D}, 3);
    const Variable columns = transpose(tno(transpose(image, 1, 2), -2), 1, 2);
    CHECK(distance(tno(image, -3).value(), columns.value()) < 1e-12);
    CHECK(distance(tno(image, 1).value(), columns.value()) < 1e-12);
  }
}

TEST_CASE("tno: a loaded decay is honoured, whatever the setting was") {
  const int64_t n = 4, D = 3;
  const std::vector<double> g = {0.5, 0.7, 1};
  for (const double configured : {0.9, 1.0}) {
    CAPTURE(configured);
    const KernelOptions kernel{.gamma = configured, .rpe = {.width = 4}};
    const TnoOptions fixed{.network = TnoNetwork::Tnn},
        none{.network = TnoNetwork::Tnn, .decay = Decay::None};
    Parameters plain_store(5, DType::Float64), store(5, DType::Float64);
    const Tno plain(plain_store.root() / "toep", {.channels = D}, kernel, none),
        tno(store.root() / "toep", {.channels = D}, kernel, fixed);
    tno.kernel(n);  // its table of decays is kept, but only for these values
    safetensors::File file;
    file.path = "x.safetensors";
    for (const safetensors::Entry& e : store.values())
      file.tensors.push_back(
          {e.name, e.name == "toep.gamma" ? values(g, {1, 1, D}) : e.tensor.clone()});
    store.load(file);
    std::vector<double> want = to_vector(plain.kernel(n).value());
    for (int64_t row = 0; row < 2 * n; ++row)
      for (int64_t d = 0; d < D; ++d)
        want[size_t(row * D + d)] *= std::pow(g[size_t(d)], double(std::min(row, 2 * n - row)));
    CHECK(distance(tno.kernel(n).value(), want) < 1e-14);
    CHECK(tno.kernel(n + 1).shape() == Shape{2 * n + 2, D});
    CHECK(distance(tno.kernel(n).value(), want) < 1e-14);
  }
}

TEST_CASE("rpe: with residual = true every hidden layer adds its input") {
  for (const bool residual : {false, true}) {
    CAPTURE(residual);
    Parameters store(3, DType::Float64);
    const Rpe rpe(store.root(),
                  {.width = 4, .layers = 2, .activation = Activation::Silu, .residual = residual},
                  3);
    const Variable s = position_column({-2, -1, 0, 1, 5}, DType::Float64, Device::CPU);
    const auto p = [&](const std::string& name) { return store.find(name)->variable; };
    Variable z = linear(s, p("pos_proj.weight"), p("pos_proj.bias"));
    for (const std::string layer : {"layers.0.2", "layers.1.2"}) {
      const Variable y = linear(silu(simple_rms_norm(z)), p(layer + ".weight"), p(layer + ".bias"));
      z = residual ? y + z : y;
    }
    const Variable want = linear(silu(simple_rms_norm(z)), p("out.2.weight"), p("out.2.bias"));
    CHECK(distance(rpe(s).value(), want.value()) < 1e-14);
  }
}

// ---- readout ----

TEST_CASE(
    "models: the last readout takes the last of all positions, mean and max the true length") {
  const int64_t n = 6, d = 4;
  const ModelOptions options{.mixer = "fd",
                             .layers = 1,
                             .dim = d,
                             .glu_expand = 1,
                             .norm = NormKind::Layer,
                             .start = Start::Default,
                             .kernel = {.rpe = {.width = 4}}};
  InputShape shape{.vocab = 7, .classes = 3};
  ModelOptions last_options = options, max_options = options;
  last_options.readout = Readout::Last;
  max_options.readout = Readout::Max;
  Parameters mean_store(4, DType::Float64), last_store(4, DType::Float64),
      max_store(4, DType::Float64);
  const Model mean(mean_store.root(), options, shape);
  const Model last(last_store.root(), last_options, shape);
  const Model max(max_store.root(), max_options, shape);
  const Tensor ids = tokens(2, n, 7, 1), full = tensor_of(std::vector<int32_t>{6, 6}, {2});
  const std::vector<int32_t> true_lengths = {4, 1};
  const Tensor lengths = tensor_of(true_lengths, {2});

  const std::vector<double> features = to_vector(mean.trunk(ids).value());
  Tensor means = zeros({2, d}, DType::Float64), ends = zeros({2, d}, DType::Float64),
         largest = zeros({2, d}, DType::Float64);
  for (int64_t b = 0; b < 2; ++b)
    for (int64_t c = 0; c < d; ++c) {
      const int64_t l = true_lengths[size_t(b)];
      largest.data<double>()[b * d + c] = -INFINITY;
      for (int64_t i = 0; i < l; ++i) {
        const double feature = features[size_t((b * n + i) * d + c)];
        means.data<double>()[b * d + c] += feature / double(l);
        largest.data<double>()[b * d + c] = std::max(largest.data<double>()[b * d + c], feature);
      }
      ends.data<double>()[b * d + c] = features[size_t((b * n + n - 1) * d + c)];
    }
  CHECK(distance(mean(ids, lengths).value(), class_head(mean).decoder(means).value()) < 1e-13);
  CHECK(distance(last(ids, lengths).value(), class_head(last).decoder(ends).value()) < 1e-13);
  CHECK(distance(max(ids, lengths).value(), class_head(max).decoder(largest).value()) < 1e-13);
  CHECK(to_vector(last(ids, lengths).value()) == to_vector(last(ids, full).value()));
  CHECK(to_vector(mean(ids, lengths).value()) != to_vector(mean(ids, full).value()));

  Parameters pair_store(4, DType::Float64);
  shape.pairs = true;
  const Model pair(pair_store.root(), last_options, shape);
  CHECK(to_vector(pair(ids, lengths).value()) == to_vector(pair(ids, full).value()));
}
