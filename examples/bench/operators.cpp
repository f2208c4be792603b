// Operators and layers: functions of x.
#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "core/fft/fft.h"
#include "examples/bench/cases.h"
#include "layers/blocks/glu.h"
#include "layers/blocks/gtu.h"
#include "layers/mixers.h"

namespace skiff::bench {
namespace {

struct Function {
  std::function<Variable(const Variable& x)> apply;
  Tensor x;
  std::vector<Variable> leaves;  // besides x
  std::shared_ptr<Parameters> parameters;
};

// `make` makes a layer from the scope of its parameters.
template <class Make>
Function layer(const Tensor& x, const Make& make) {
  const auto parameters = std::make_shared<Parameters>(/*seed=*/1);
  const std::shared_ptr made = make(parameters->root());
  return {[made, parameters](const Variable& v) { return (*made)(v); }, x, {}, parameters};
}

// The options of Long Range Arena's recipes, but without a largest lag.
ModelOptions options_for(int64_t n) {
  ModelOptions o;
  o.kernel.rpe = {.width = 32, .layers = 3};
  o.ski.inducing_points = std::min<int64_t>(64, n);
  o.ski.scaled = true;
  return o;
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
  return {[=](const Variable& q) { return attention(q, k, v, heads, Direction::Bidirectional); },
          x,
          {k, v},
          nullptr};
}

int64_t heads_for(int64_t dim) { return dim % 4 == 0 ? 4 : 1; }

}  // namespace

void add_operators(std::vector<Case>& cases, const Sizes& s, int64_t n) {
  const int64_t B = s.batch, D = s.dim, F = fft::fast_length(2 * n);
  const Shape shape{B, n, D};
  const ModelOptions options = options_for(n);
  const auto add = [&](const char* name, Floor floor, const std::function<Function()>& make) {
    for (const char* pass : {"forward", "train"})
      cases.push_back({"op", name, pass, n, B, D, [=] { return work_of(make(), pass, floor); }});
  };
  for (const MixerEntry& mixer : mixers()) {
    if (mixer.make == nullptr) continue;
    const bool linear_time = std::string(mixer.name) == "ski";
    add(mixer.name, linear_time ? Floor::Copy : Floor::Fft, [=] {
      return layer(random_input(shape), [=](const Scope& scope) {
        return std::shared_ptr(mixer.make(scope, {.channels = D, .train_length = n}, options));
      });
    });
  }
  const int64_t heads = heads_for(D);
  add("attention", Floor::Gemm, [=] { return softmax_attention(random_input(shape), heads); });
  if (!attention_ends_soon(B, heads, n, 1))
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
    const InterpolationMatrix W{n, options.ski.inducing_points};
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
      cases.push_back({"layer", name, pass, n, s.batch, D,
                       [=] { return work_of(make(), pass, Floor::Counted); }});
  };
  for (const MixerEntry& mixer : mixers()) {
    if (mixer.make == nullptr) continue;
    add(std::string("gtu-") + mixer.name, [=, options = options_for(n)] {
      return layer(random_input(shape), [=](const Scope& scope) {
        const MakeMixer make = [&](const Scope& s, const MixerShape& m) {
          return mixer.make(s, m, options);
        };
        return std::make_shared<Gtu>(scope, GtuOptions{.dim = D, .inner = D, .train_length = n},
                                     make);
      });
    });
  }
  add("glu", [=] {
    return layer(random_input(shape),
                 [=](const Scope& scope) { return std::make_shared<Glu>(scope, D, D); });
  });
  add("linear", [=] {
    return layer(random_input(shape),
                 [=](const Scope& scope) { return std::make_shared<Linear>(scope, D, D); });
  });
  struct NamedNorm {
    const char* name;
    NormKind kind;
  };
  for (const NamedNorm& norm : {NamedNorm{"batch_norm", NormKind::Batch},
                                {"layer_norm", NormKind::Layer},
                                {"simple_rms_norm", NormKind::SimpleRms}})
    add(norm.name, [=] {
      return layer(random_input(shape), [=](const Scope& scope) {
        return std::shared_ptr(make_norm(scope, norm.kind, D));
      });
    });
}

}  // namespace skiff::bench
