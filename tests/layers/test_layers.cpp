// Layers one by one: what each computes, written out from its formula; the values it starts from;
// where dropout acts; and that results do not depend on the number of threads.
#include <omp.h>

#include <map>
#include <string>

#include "layers/blocks/gtu.h"
#include "layers/mixers.h"
#include "layers/model.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

// Overwrites a parameter, as loading a checkpoint does.
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

struct Moments {
  double count, mean, deviation, kurtosis, largest;
};
Moments moments(const Variable& x) {
  const std::vector<double> v = to_vector(x.value());
  Moments m{double(v.size()), 0, 0, 0, 0};
  for (const double a : v) m.mean += a / m.count;
  double second = 0, fourth = 0;
  for (const double a : v) {
    const double square = (a - m.mean) * (a - m.mean);
    second += square / m.count;
    fourth += square * square / m.count;
    m.largest = std::max(m.largest, std::abs(a));
  }
  m.deviation = std::sqrt(second);
  m.kurtosis = fourth / (second * second);
  return m;
}

// Bounds of four standard errors: mean s / sqrt N, deviation s sqrt((kurtosis - 1) / 4N), and for
// the kurtosis of a normal sample sqrt(24 / N), which is wider than that of a uniform one.
void check_moments(const Moments& m, double deviation, double kurtosis) {
  CHECK(std::abs(m.mean) < 4 * deviation / std::sqrt(m.count));
  CHECK(std::abs(m.deviation / deviation - 1) < 4 * std::sqrt((kurtosis - 1) / (4 * m.count)));
  if (m.count >= 1000) CHECK(std::abs(m.kurtosis - kurtosis) < 4 * std::sqrt(24 / m.count));
}
void check_normal(const Variable& x, double deviation) { check_moments(moments(x), deviation, 3); }
void check_uniform(const Variable& x, double bound) {
  const Moments m = moments(x);
  check_moments(m, bound / std::sqrt(3.0), 1.8);
  CHECK(m.largest <= bound * (1 + 1e-6));  // the bound itself, rounded to float32
  CHECK(m.largest > bound * (1 - 8 / m.count));
}

const ClassHead& class_head(const Model& model) {
  return dynamic_cast<const ClassHead&>(*model.head);
}

}  // namespace

// ---- what weights start from ----

TEST_CASE("linear, embedding: first values are uniform within 1/sqrt(in), and normal") {
  Parameters store(1);
  const Linear layer(store.root() / "linear", 50, 400);
  check_uniform(layer.weight, 1 / std::sqrt(50.0));
  check_uniform(layer.bias, 1 / std::sqrt(50.0));
  const Embedding embedding(store.root() / "embedding", 40, 500);
  check_normal(embedding.weight, 1);
  check_normal(slice(embedding.weight, 0, 0, 1), 1);  // the row of the padding id is like any other
}

TEST_CASE("gtu: starts from N(0, 0.02^2), biases too, or from the default of linear") {
  for (const Start start : {Start::Small, Start::Default}) {
    Parameters store(2);
    const Gtu gtu(store.root(), {.dim = 300, .inner = 100, .start = start},
                  maker_of<FdTnoFree>(KernelOptions{}, FdOptions{.points = 1}));
    for (const Linear* layer : {&gtu.u_proj, &gtu.v_proj, &gtu.o})
      for (const Variable& p : {layer->weight, layer->bias}) {
        if (start == Start::Small)
          check_normal(p, 0.02);
        else
          check_uniform(p, 1 / std::sqrt(double(layer->weight.size(1))));
      }
  }
}

TEST_CASE("models: the setting of the start reaches the Toeplitz units and nothing else") {
  for (const Start start : {Start::Small, Start::Default}) {
    Parameters store(3);
    const ModelOptions options{.mixer = "fd",
                               .layers = 1,
                               .dim = 64,
                               .glu_expand = 1.25,
                               .start = start,
                               .fd = {.points = 1}};
    const Model model(store.root(), options, {.vocab = 40, .classes = 50});
    const Block& block = model.trunk.blocks[0];
    const Gtu& gtu = dynamic_cast<const Gtu&>(*block.unit);
    if (start == Start::Small)
      check_normal(gtu.u_proj.weight, 0.02);
    else
      check_uniform(gtu.u_proj.weight, 0.125);
    check_normal(std::get<Embedding>(model.trunk.encoder).weight, 1);
    check_uniform(block.glu.l1.weight, 0.125);
    check_uniform(block.glu.l3.weight, 1 / std::sqrt(80.0));
    check_uniform(class_head(model).decoder.weight, 0.125);
  }
}

TEST_CASE("ski: scaled kernels are the unscaled ones of a table r / n_train times as large") {
  for (const bool causal : {false, true}) {
    CAPTURE(causal);
    const MixerShape shape{.channels = 3, .train_length = 10};
    SkiOptions options{.inducing_points = 4, .filter = 3};
    Parameters plain(7, DType::Float64), scaled(8, DType::Float64);
    const SkiTno a(plain.root(), shape, {.causal = causal}, options);
    options.scaled = true;
    const SkiTno b(scaled.root(), shape, {.causal = causal}, options);
    safetensors::File file;
    file.tensors = plain.values();
    scaled.load(file, {});
    CHECK(distance(b.inducing_kernel(10).value(), (0.4 * a.inducing_kernel(10)).value()) <= 1e-15);
  }
}

TEST_CASE("ski: scaled divides the deviation of filters by sqrt m and of tables by sqrt r") {
  for (const bool scaled : {false, true})
    for (const bool causal : {false, true}) {
      CAPTURE(scaled);
      CAPTURE(causal);
      Parameters store(4);
      const SkiTno ski(store.root(), {.channels = 4000, .train_length = 9}, {.causal = causal},
                       {.inducing_points = 3, .filter = 4, .scaled = scaled});
      check_normal(ski.conv_kernel, scaled ? 1 / std::sqrt(5.0) : 1);  // length 4 becomes m = 5
      check_normal(ski.alphas, scaled ? 1 / std::sqrt(3.0) : 1);
      if (!causal) check_normal(ski.betas, scaled ? 1 / std::sqrt(3.0) : 1);
    }
}

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
    trunk(tokens(1, n + 3, 7, 2));  // a longer input before: its table of positions is used again
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

TEST_CASE("powers: a base of 0 has the value 0^0 = 1, and a derivative at exponent 1") {
  const Tensor gy = values({2, 3, 5, 7, 11, 13}, {3, 2});
  for (const DType dtype : {DType::Float32, DType::Float64}) {
    const Variable gamma = Variable::leaf(values({0, 0.5}, {2}).to(dtype));
    Tape tape;
    const Variable y = powers(gamma, {0, 1, 2});
    CHECK(to_vector(y.value()) == std::vector<double>{1, 1, 0, 0.5, 0, 0.25});
    tape.backward(y, gy.to(dtype));
    CHECK(to_vector(gamma.grad()) == std::vector<double>{5, 7 + 2 * 0.5 * 13});
  }
}

// ---- readout ----

TEST_CASE("models: the last readout takes the last of all positions, the mean the true length") {
  const int64_t n = 6, d = 4;
  const ModelOptions options{.mixer = "fd",
                             .layers = 1,
                             .dim = d,
                             .glu_expand = 1,
                             .norm = NormKind::Layer,
                             .start = Start::Default,
                             .kernel = {.rpe = {.width = 4}}};
  InputShape shape{.vocab = 7, .classes = 3};
  ModelOptions last_options = options;
  last_options.readout = Readout::Last;
  Parameters mean_store(4, DType::Float64), last_store(4, DType::Float64);
  const Model mean(mean_store.root(), options, shape);
  const Model last(last_store.root(), last_options, shape);
  const Tensor ids = tokens(2, n, 7, 1), full = tensor_of(std::vector<int32_t>{6, 6}, {2});
  const std::vector<int32_t> true_lengths = {4, 1};
  const Tensor lengths = tensor_of(true_lengths, {2});

  const std::vector<double> features = to_vector(mean.trunk(ids).value());
  Tensor means = zeros({2, d}, DType::Float64), ends = zeros({2, d}, DType::Float64);
  for (int64_t b = 0; b < 2; ++b)
    for (int64_t c = 0; c < d; ++c) {
      const int64_t l = true_lengths[size_t(b)];
      for (int64_t i = 0; i < l; ++i)
        means.data<double>()[b * d + c] += features[size_t((b * n + i) * d + c)] / double(l);
      ends.data<double>()[b * d + c] = features[size_t((b * n + n - 1) * d + c)];
    }
  CHECK(distance(mean(ids, lengths).value(), class_head(mean).decoder(means).value()) < 1e-13);
  CHECK(distance(last(ids, lengths).value(), class_head(last).decoder(ends).value()) < 1e-13);
  CHECK(to_vector(last(ids, lengths).value()) == to_vector(last(ids, full).value()));
  CHECK(to_vector(mean(ids, lengths).value()) != to_vector(mean(ids, full).value()));

  Parameters pair_store(4, DType::Float64);
  shape.pairs = true;
  const Model pair(pair_store.root(), last_options, shape);
  CHECK(to_vector(pair(ids, lengths).value()) == to_vector(pair(ids, full).value()));
}

// ---- optimizers ----

namespace {
// w after three steps on gradients of different sizes, each multiplied by s before the step or in
// it.
template <class Optimizer, class Options>
std::vector<double> trained(const Options& options, double s, bool in_the_step) {
  Parameters store(1, DType::Float64);
  const Variable w = store.root().parameter("w", {5}, normal(1));
  Optimizer optimizer(store, options);
  for (uint64_t step = 0; step < 3; ++step) {
    store.zero_grad();
    Tape tape;
    const Tensor gradient = random64({5}, 10 + step);
    tape.backward(sum((in_the_step ? 1 : s) * (Variable(gradient) * w)));
    optimizer.step(0.1, in_the_step && step < 2 ? s : 1);
    if (!in_the_step && step == 1) s = 1;  // the last step is a plain one for both
  }
  return to_vector(w.value());
}
}  // namespace

TEST_CASE("optimizers: a gradient scale is a scale of gradients, not of the weight decay") {
  for (const bool decoupled : {true, false})
    for (const double eps : {1e-8, 0.3}) {  // Adam forgets a scale but for eps and later steps
      CAPTURE(decoupled);
      const AdamOptions options{.eps = eps, .weight_decay = 0.5, .decoupled = decoupled};
      const std::vector<double> want = trained<Adam>(options, 0.2, false);
      CHECK(distance(trained<Adam>(options, 0.2, true), want) < 1e-14);
      CHECK(distance(trained<Adam>(options, 1, true), want) > 1e-3);
    }
  const SgdOptions options{.momentum = 0.9, .weight_decay = 0.5};
  CHECK(distance(trained<Sgd>(options, 0.2, true), trained<Sgd>(options, 0.2, false)) < 1e-14);
}

TEST_CASE("clip: the norm of a gradient takes in every element of every block") {
  for (const int64_t n : {16383, 16384, 16385, 40000}) {
    CAPTURE(n);
    Parameters store(1, DType::Float64);
    const Variable w = store.root().parameter("w", {n}, constant(1));
    const Tensor gradient = random64({n}, 1);
    {
      Tape tape;
      tape.backward(sum(Variable(gradient) * w));
    }
    double squares = 0;
    for (const double g : to_vector(gradient)) squares += g * g;
    CHECK(std::abs(gradient_norm(store) / std::sqrt(squares) - 1) < 1e-12);
  }
}

// ---- threads ----

namespace {

class Threads {  // puts the number of threads back
 public:
  ~Threads() { omp_set_num_threads(before_); }

 private:
  int before_ = omp_get_max_threads();
};

std::string bits(const std::vector<Tensor>& tensors) {
  std::string all;
  for (const Tensor& x : tensors) all.append(static_cast<const char*>(x.raw()), size_t(x.bytes()));
  return all;
}

// y = f(inputs) and the gradients of the inputs, for a random cotangent.
template <class F>
std::vector<Tensor> value_and_gradients(const std::vector<Tensor>& inputs, const F& f) {
  std::vector<Variable> leaves;
  for (const Tensor& x : inputs) leaves.push_back(Variable::leaf(x));
  Tape tape;
  const Variable y = f(leaves);
  tape.backward(y, random_normal(y.shape(), y.dtype(), 99));
  std::vector<Tensor> results = {y.value()};
  for (const Variable& v : leaves) results.push_back(v.grad());
  return results;
}

// The same bits on 1, 2, 3 and 7 threads.
template <class F>
void check_threads(const F& tensors) {
  const Threads restore;
  omp_set_num_threads(1);
  const std::string one = bits(tensors());
  for (const int threads : {2, 3, 7}) {
    CAPTURE(threads);
    omp_set_num_threads(threads);
    CHECK((bits(tensors()) == one));
    CHECK(omp_get_max_threads() == threads);
  }
}

}  // namespace

TEST_CASE("threads: a matrix product is the same for any number, and leaves the number alone") {
  struct Case {
    Shape x, W;
  };
  const std::vector<Case> cases = {{{7, 333, 37}, {41, 37}},
                                   {{3, 3001, 5}, {4, 5}},
                                   {{8, 17, 65}, {33, 65}},
                                   {{1100, 19}, {23, 19}}};
  for (const DType dtype : {DType::Float32, DType::Float64})
    for (const Case& c : cases) {
      CAPTURE(c.x);
      const std::vector<Tensor> inputs = {random_normal(c.x, dtype, 1),
                                          random_normal(c.W, dtype, 2),
                                          random_normal({c.W[0]}, dtype, 3)};
      check_threads([&] {
        return value_and_gradients(inputs, [](const auto& v) { return linear(v[0], v[1], v[2]); });
      });
    }
  const std::vector<Tensor> batched = {random_normal({9, 33, 37}, DType::Float32, 1),
                                       random_normal({9, 37, 41}, DType::Float32, 2)};
  check_threads([&] {
    return value_and_gradients(batched, [](const auto& v) { return matmul(v[0], v[1]); });
  });
}

TEST_CASE("threads: every elementwise op is the same for any number") {
  using List = std::vector<Variable>;
  struct Case {
    std::string name;
    Variable (*run)(const List& v);  // v = x, y (333, 37), b (37), all positive; and complex z, w
  };
  const std::vector<Case> cases = {
      {"add", [](const List& v) { return v[0] + v[1]; }},
      {"sub", [](const List& v) { return v[0] - v[2]; }},
      {"mul", [](const List& v) { return v[0] * v[1]; }},
      {"mul a suffix", [](const List& v) { return v[0] * v[2]; }},
      {"div", [](const List& v) { return v[0] / v[1]; }},
      {"div by a suffix", [](const List& v) { return v[0] / v[2]; }},
      {"scale", [](const List& v) { return 0.3 * v[0]; }},
      {"complex_mul", [](const List& v) { return complex_mul(v[3], v[4]); }},
      {"complex_mul by a suffix", [](const List& v) { return complex_mul(v[3], v[5]); }},
      {"to_complex", [](const List& v) { return to_complex(v[0], v[1]); }},
      {"relu", [](const List& v) { return relu(v[0] - v[1]); }},
      {"silu", [](const List& v) { return silu(v[0]); }},
      {"gelu", [](const List& v) { return gelu(v[0]); }},
      {"sigmoid", [](const List& v) { return sigmoid(v[0]); }},
      {"tanh", [](const List& v) { return tanh(v[0]); }},
      {"exp", [](const List& v) { return exp(v[0]); }},
      {"elu", [](const List& v) { return elu(v[0] - v[1]); }},
      {"dropout", [](const List& v) {
         return dropout(v[0], {0.3, 1, 2, 3});
       }}};
  for (const DType dtype : {DType::Float32, DType::Float64}) {
    std::vector<Tensor> inputs;
    for (const Shape& shape : {Shape{333, 37}, Shape{333, 37}, Shape{37}})
      inputs.push_back(exp(random_normal(shape, dtype, 1 + inputs.size())).value());
    for (const Shape& shape : {Shape{333, 37}, Shape{333, 37}, Shape{37}})
      inputs.push_back(random_normal(shape, complex_type(dtype), 1 + inputs.size()));
    for (const Case& c : cases) {
      CAPTURE(c.name);
      CAPTURE(std::string(name_of(dtype)));
      check_threads([&] {
        List leaves;
        for (const Tensor& x : inputs) leaves.push_back(Variable::leaf(x));
        Tape tape;
        const Variable y = c.run(leaves);
        tape.backward(y, random_normal(y.shape(), y.dtype(), 99));
        std::vector<Tensor> results = {y.value()};
        for (const Variable& v : leaves)
          if (v.grad()) results.push_back(v.grad());
        return results;
      });
    }
  }
}

TEST_CASE("threads: three steps of training are the same for any number, with every mixer") {
  ModelOptions options{.layers = 1,
                       .dim = 33,
                       .glu_expand = 1.07,
                       .dropout = 0.1,
                       .encoder_dropout = 0.1,
                       .kernel = {.gamma = 0.9, .rpe = {.width = 8, .layers = 1}},
                       .tno = {.network = TnoNetwork::Tnn},
                       .ski = {.inducing_points = 8, .filter = 5},
                       .attention = {.heads = 3}};
  std::vector<std::pair<std::string, int64_t>> cases = {{"fd", 4}};  // mixer, free points of fd
  for (const MixerEntry& entry : mixers()) cases.emplace_back(entry.name, 0);
  const Tensor ids = tokens(9, 65, 7, 1), labels = tokens(9, 1, 3, 2).reshape({9});
  const Tensor lengths = tensor_of(std::vector<int32_t>{65, 60, 55, 1, 65, 33, 2, 64, 65}, {9});
  for (size_t k = 0; k < cases.size(); ++k) {
    CAPTURE(k);
    options.mixer = cases[k].first;
    options.fd.points = cases[k].second;
    options.norm = k % 2 == 0 ? NormKind::Batch : NormKind::Layer;
    check_threads([&] {
      Parameters store(4);
      const Model model(store.root(), options, {.vocab = 7, .classes = 3, .max_length = 65});
      Adam optimizer(store, {.weight_decay = 0.1});
      for (uint64_t step = 0; step < 3; ++step) {
        store.zero_grad();
        store.set_step(step);
        Tape tape;
        tape.backward(cross_entropy(model(ids, lengths), labels));
        optimizer.step(0.01, clip_factor(gradient_norm(store), 1));
      }
      std::vector<Tensor> results;
      for (const Parameter& p : store.all()) results.push_back(p.variable.value());
      return results;
    });
  }
}
