// The values that the weights of layers start from.
#include "layers/blocks/gtu.h"
#include "layers/mixers.h"
#include "layers/model.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

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

}  // namespace

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
    check_uniform(dynamic_cast<const ClassHead&>(*model.head).decoder.weight, 0.125);
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
