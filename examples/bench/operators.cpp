// Operators and layers: functions of x.
#include <cmath>

#include "autograd/ops.h"
#include "core/fft/fft.h"
#include "examples/bench/cases.h"
#include "layers/tnn.h"

namespace skiff::bench {
namespace {

struct Function {
  std::function<Variable(const Variable& x)> apply;
  Tensor x;
  std::vector<Variable> leaves;  // besides x
  std::shared_ptr<Parameters> parameters;
};

template <class Layer, class... Arguments>
Function layer(const Tensor& x, const Arguments&... arguments) {
  const auto parameters = std::make_shared<Parameters>(/*seed=*/1);
  const auto made = std::make_shared<Layer>(parameters->root(), arguments...);
  return {[made, parameters](const Variable& v) { return (*made)(v); }, x, {}, parameters};
}

void drop_gradients(const Function& f) {
  for (const Variable& leaf : f.leaves) leaf.zero_grad();
  if (f.parameters) f.parameters->zero_grad();
}

enum class Floor { Copy, Fft, Gemm, Counted };

Work work_of(Function f, const std::string& pass, Floor floor) {
  const bool train = pass == "train";
  const Variable x = train ? Variable::leaf(f.x) : Variable(f.x);
  const auto forward = [=] { return f.apply(x); };
  Work work;
  if (train) {
    work.run = [=] {
      Tape tape;
      const Variable y = forward();
      tape.backward(y, random_input(y.shape(), y.dtype()));
      drop_gradients(f);
      x.zero_grad();
    };
  } else {
    work.run = [=] { forward(); };
  }
  const double passes = train ? 2 : 1;  // over the data: one each way
  work.parameters = f.parameters ? f.parameters->trained_count() : 0;
  if (floor == Floor::Fft) work.transforms = int64_t(passes);
  if (floor == Floor::Copy || floor == Floor::Gemm)
    work.copied_bytes = passes * double(f.x.bytes());
  if (floor == Floor::Gemm || floor == Floor::Counted) {
    const Variable leaf = Variable::leaf(f.x);
    const Counted c = count([&] { return f.apply(leaf); });
    drop_gradients(f);
    work.gemm_flops = (train ? 3 : 1) * c.gemm_flops;  // a product has two gradients
    if (floor == Floor::Counted)
      work.copied_bytes = c.forward_bytes + (train ? c.backward_bytes : 0);
  }
  return work;
}

// q k v of `heads` heads; x is q.
Function softmax_attention(const Tensor& x, int64_t heads) {
  const Variable k = Variable::leaf(x), v = Variable::leaf(x);
  const auto split = [heads](const Variable& a) {
    return transpose(reshape(a, {a.size(0), a.size(1), heads, a.size(2) / heads}), 1, 2);
  };
  const auto apply = [=](const Variable& q) {
    const double scale_of_scores = 1 / std::sqrt(double(q.size(2) / heads));
    const Variable weights = softmax(matmul(split(scale_of_scores * q), transposed(split(k))));
    return reshape(transpose(matmul(weights, split(v)), 1, 2), q.shape());
  };
  return {apply, x, {k, v}, nullptr};
}

int64_t heads_for(int64_t dim) { return dim % 4 == 0 ? 4 : 1; }

}  // namespace

void add_operators(std::vector<Case>& cases, const Sizes& s, int64_t n) {
  const int64_t B = s.batch, D = s.dim, F = fft::fast_length(2 * n),
                rank = std::min<int64_t>(64, n);
  const auto add = [&](const char* name, Floor floor, const std::function<Function()>& make) {
    for (const char* pass : {"forward", "train"})
      cases.push_back(
          {"op", name, pass, n, B, D, [=] { return work_of(make(), pass, floor); }, {}});
  };
  const Shape shape{B, n, D};
  // As in the recipes of Long Range Arena, but for the window of the tno.
  const TnoConfig tno{.channels = D, .lra_rpe = true, .rpe = {.width = 32}};
  const SkiTnoConfig ski{.channels = D, .rank = rank, .train_length = n, .scaled = true};
  const FdTnoConfig fd{.channels = D, .rpe = {.width = 32, .layers = 3}};
  add("tno", Floor::Fft, [=] { return layer<Tno>(random_input(shape), tno); });
  add("ski", Floor::Copy, [=] { return layer<SkiTno>(random_input(shape), ski); });
  add("fd", Floor::Fft, [=] { return layer<FdTno>(random_input(shape), fd); });
  const int64_t heads = heads_for(D);
  add("attention", Floor::Gemm, [=] { return softmax_attention(random_input(shape), heads); });
  if (!scores_fit(B, heads, n, 1))
    for (size_t i = cases.size() - 2; i < cases.size(); ++i) cases[i].make = nullptr;
  add("spectral_conv", Floor::Fft, [=]() -> Function {
    const Variable S = Variable::leaf(random_input({F / 2 + 1, D}, DType::Complex64));
    return {[=](const Variable& x) { return spectral_conv(x, S, F); },
            random_input(shape),
            {S},
            nullptr};
  });
  add("toeplitz", Floor::Fft, [=]() -> Function {
    const Variable t = Variable::leaf(random_input({2 * n, D}));
    return {[=](const Variable& x) { return toeplitz(t, x, Direction::Bidirectional); },
            random_input(shape),
            {t},
            nullptr};
  });
  add("conv1d", Floor::Copy, [=]() -> Function {
    const Variable c = Variable::leaf(random_input({33, D}));
    return {[=](const Variable& x) { return conv1d(x, c, Direction::Bidirectional); },
            random_input(shape),
            {c},
            nullptr};
  });
  add("interpolate", Floor::Copy, [=]() -> Function {  // W W^T x, both ways at once
    const InterpolationMatrix W{n, rank};
    return {[=](const Variable& x) { return interpolate(interpolate_adjoint(x, W), W); },
            random_input(shape),
            {},
            nullptr};
  });
}

void add_layers(std::vector<Case>& cases, const Sizes& s, int64_t n) {
  const int64_t D = s.dim;
  const Shape shape{s.batch, n, D};
  const auto add = [&](const std::string& name, const std::function<Function()>& make) {
    for (const char* pass : {"forward", "train"})
      cases.push_back({"layer",
                       name,
                       pass,
                       n,
                       s.batch,
                       D,
                       [=] { return work_of(make(), pass, Floor::Counted); },
                       {}});
  };
  const std::vector<std::pair<const char*, MixerConfig>> mixers = {
      {"tno", TnoConfig{.lra_rpe = true, .rpe = {.width = 32}}},
      {"ski", SkiTnoConfig{.rank = std::min<int64_t>(64, n), .train_length = n, .scaled = true}},
      {"fd", FdTnoConfig{.rpe = {.width = 32, .layers = 3}}}};
  for (const auto& [name, mixer] : mixers)
    add(std::string("gtu-") + name, [=, config = GtuConfig{.dim = D, .inner = D, .mixer = mixer}] {
      return layer<Gtu>(random_input(shape), config);
    });
  add("glu", [=] { return layer<Glu>(random_input(shape), D, D); });
  add("linear", [=] { return layer<Linear>(random_input(shape), D, D); });
  for (const auto& [name, kind] : {std::pair{"batch_norm", NormKind::Batch},
                                   {"layer_norm", NormKind::Layer},
                                   {"simple_rms_norm", NormKind::SimpleRms}})
    add(name, [=, kind = kind] { return layer<Norm>(random_input(shape), kind, D); });
}

}  // namespace skiff::bench
