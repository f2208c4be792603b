// What bench measures: operators, layers, training steps, and the floors they are held against.
//
// A case is a name and a function to be timed. Its floor says what the hardware needs for the same
// work at least; every part of it is measured in the same run:
//   gemm   the multiplications of all matrix products, at the best rate that gemm reaches
//   copy   a copy of as many bytes: input to output, and on the way back gradient to gradient; for
//          layers and steps, of every output and gradient that an op makes
//   fft    FFTW's contiguous transforms of the batch, real to complex and back, once for the
//   forward
//          and once more for the backward; nothing for the product, the kernel or a transpose
#pragma once

#include <fftw3.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/blas.h"
#include "core/fft/fft.h"
#include "core/random.h"
#include "examples/train/settings.h"
#include "layers/tnn.h"
#include "optim/adam.h"
#include "optim/clip.h"

namespace skiff::bench {

struct Sizes {
  std::vector<int64_t> n = {512, 1024, 2048, 4096};
  int64_t batch = 8, dim = 128;
  int64_t length = 0;  // tokens of a step; 0: the recipe's
  std::string recipe = "paper";
};

struct Work {
  std::function<void()> run;
  double gemm_flops = 0, copied_bytes = 0;
  int64_t transforms = 0;  // pairs, of the whole batch
  int64_t parameters = 0;
};

struct Case {
  std::string kind, name, pass;  // "op", "tno", "train"
  int64_t n, batch, dim;
  std::function<Work()>
      make;  // allocates: called only for cases that were chosen; empty: too large
  Work work;
  std::string label() const { return kind + "/" + name + (pass.empty() ? "" : "/" + pass); }
};

// ---- inputs ----

// Random numbers of this shape, one tensor for all who ask.
inline Tensor random_input(const Shape& shape, DType dtype = DType::Float32) {
  static std::map<std::pair<std::vector<int64_t>, DType>, Tensor> made;
  Tensor& x = made[{{shape.begin(), shape.end()}, dtype}];
  if (!x) x = random_normal(shape, dtype, /*seed=*/1);
  return x;
}

inline Tensor random_integers(const Shape& shape, int64_t first, int64_t last) {
  const std::vector<double> u = to_vector(random_input(shape));
  std::vector<int32_t> values;
  for (const double v : u)
    values.push_back(int32_t(first + int64_t(std::abs(v) * 1e4) % (last - first + 1)));
  return tensor_of(values, shape);
}

// ---- counting ----

// Multiplications and additions of the matrix products on a tape that describes its ops.
inline double gemm_flops(const Tape& tape) {
  double flops = 0;
  std::istringstream lines(tape.print());
  std::string line;
  std::getline(lines, line);  // the heading
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string number, op;
    words >> number >> op;
    if (op != "linear" && op != "matmul" && op != "gated_linear" && op != "gated_linear_unit")
      continue;
    std::vector<std::vector<double>> shapes;
    for (size_t at = line.find('('); at != std::string::npos; at = line.find('(', at + 1)) {
      std::istringstream sizes(line.substr(at + 1, line.find(')', at) - at - 1));
      shapes.emplace_back();
      for (std::string size; std::getline(sizes, size, ',');)
        shapes.back().push_back(std::stod(size));
    }
    double product = 2;
    for (const double size : shapes.back()) product *= size;  // of the output
    const std::vector<double>& a = shapes.front();
    const double rows = shapes.back()[shapes.back().size() - 2];
    const bool transposed = op == "matmul" && a[a.size() - 2] != rows;
    if (op == "gated_linear_unit") {  // two maps in, one out; W1 (inner, in)
      const double inner = shapes[1][0], in = shapes[1][1], out = shapes.back().back();
      flops += product / out * inner * (2 * in + out);
    } else {
      flops += product * (transposed ? a[a.size() - 2] : a.back());
    }
  }
  return flops;
}

struct Counted {
  double gemm_flops = 0, forward_bytes = 0, backward_bytes = 0;
};
inline Counted count(const std::function<Variable()>& forward) {
  Counted c;
  Profile profile;
  {
    const Profile::Step step(profile);
    Tape tape;
    tape.describe_ops();
    const Variable y = forward();
    c.gemm_flops = gemm_flops(tape);
    tape.backward(y, random_input(y.shape(), y.dtype()));
  }
  c.forward_bytes = double(profile.bytes(Profile::Phase::Forward));
  c.backward_bytes = double(profile.bytes(Profile::Phase::Backward));
  return c;
}

// ---- operators and layers: functions of x ----

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

inline void drop_gradients(const Function& f) {
  for (const Variable& leaf : f.leaves) leaf.zero_grad();
  if (f.parameters) f.parameters->zero_grad();
}

enum class Floor { Copy, Fft, Gemm, Counted };

inline Work work_of(Function f, const std::string& pass, Floor floor) {
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
inline Function softmax_attention(const Tensor& x, int64_t heads) {
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

inline int64_t heads_for(int64_t dim) { return dim % 4 == 0 ? 4 : 1; }

// Score matrices of a training step are held three times: scores, weights and a gradient.
inline bool scores_fit(int64_t batch, int64_t heads, int64_t n, int64_t layers) {
  return double(batch * heads * layers) * double(n) * double(n) * 3 * sizeof(float) <=
         6.0 * (1 << 30);
}

inline void add_operators(std::vector<Case>& cases, const Sizes& s, int64_t n) {
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

inline void add_layers(std::vector<Case>& cases, const Sizes& s, int64_t n) {
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

// ---- training steps: the model of a recipe, random data, Adam ----

inline Work training_step(const Recipe& recipe, const TaskShape& task, const ModelChoices& choices,
                          int64_t batch, int64_t n) {
  struct Training {
    Parameters parameters{/*seed=*/1};
    TnnClassifier model;
    Adam optimizer;
    Tensor input, lengths, labels;
    Training(const TnnConfig& config, const Recipe& r)
        : model(parameters.root(), config),
          optimizer(parameters, {.weight_decay = r.weight_decay}) {}
    Variable loss() const { return cross_entropy(model(input, lengths), labels); }
  };
  const auto t = std::make_shared<Training>(model_config(recipe, task, choices), recipe);
  t->input =
      task.vocab > 0 ? random_integers({batch, n}, 1, task.vocab - 1) : random_input({batch, n, 1});
  t->lengths = tensor_of(std::vector<int32_t>(size_t(batch), int32_t(n)), {batch});
  t->labels = random_integers({batch}, 0, task.classes - 1);

  const Counted c = count([&] { return t->loss(); });
  Work work;
  work.gemm_flops = 3 * c.gemm_flops;
  work.copied_bytes = c.forward_bytes + c.backward_bytes;
  work.parameters = t->parameters.trained_count();
  work.run = [t, lr = recipe.lr * 1e-3, clip = recipe.clip] {
    t->parameters.zero_grad();
    {
      Tape tape;
      tape.backward(t->loss());
    }
    t->optimizer.step(lr, clip_factor(gradient_norm(t->parameters), clip));
  };
  return work;
}

inline void add_steps(std::vector<Case>& cases, const Sizes& s) {
  for (const char* name : {"listops", "text", "image"}) {
    Recipe recipe = recipe_named(s.recipe, name);
    const TaskShape task = task_shape(name);
    if (task.vocab > 0 && s.length > 0) recipe.max_length = s.length;
    const int64_t n = task.vocab > 0 ? recipe.max_length : task.max_length;
    for (const auto& [mixer, kind] : {std::pair{"tno", MixerKind::Tno},
                                      {"ski", MixerKind::Ski},
                                      {"fd", MixerKind::Fd},
                                      {"attention", MixerKind::Attention}}) {
      const ModelChoices choices{.mixer = kind};
      cases.push_back({"step",
                       std::string(name) + "-" + mixer,
                       "train",
                       n,
                       s.batch,
                       recipe.dim,
                       [=, B = s.batch] { return training_step(recipe, task, choices, B, n); },
                       {}});
      const auto attention = model_config(recipe, task, choices).attention;
      if (attention && !scores_fit(s.batch, attention->heads, n, recipe.layers))
        cases.back().make = nullptr;
    }
  }
}

// ---- floors ----

inline Work copy_work(int64_t elements) {
  const Tensor from = random_input({elements});
  Tensor to(Shape{elements}, DType::Float32);
  Work work;
  work.copied_bytes = double(from.bytes());
  work.run = [from, to]() mutable {
    const char* source = static_cast<const char*>(from.raw());
    char* destination = static_cast<char*>(to.raw());
    constexpr int64_t piece = 1 << 16;
    const int64_t bytes = from.bytes();
#pragma omp parallel for schedule(static)
    for (int64_t at = 0; at < bytes; at += piece)
      std::memcpy(destination + at, source + at, size_t(std::min(piece, bytes - at)));
  };
  return work;
}

inline Work gemm_work(int64_t m, int64_t n, int64_t k) {
  const Tensor a = random_input({m, k}), b = random_input({k, n});
  Tensor c(Shape{m, n}, DType::Float32);
  Work work;
  work.gemm_flops = 2.0 * double(m) * double(n) * double(k);
  work.run = [=]() mutable {
    blas::gemm(Device::CPU, {.m = m, .n = n, .k = k}, a.data<float>(), b.data<float>(),
               c.data<float>());
  };
  return work;
}

// `count` real signals of length F, each by itself in memory, to their half spectra and back.
inline Work fft_work(int64_t count, int64_t F) {
  const int64_t stride = (F + 15) / 16 * 16, spectrum_stride = (F / 2 + 8) / 8 * 8;  // 64 bytes
  Tensor x = random_input({count, stride}), y(x.shape(), DType::Float32);
  Tensor X(Shape{count, spectrum_stride}, DType::Complex64);
  struct Plans {
    fftwf_plan forward, inverse;
    ~Plans() {
      fftwf_destroy_plan(forward);
      fftwf_destroy_plan(inverse);
    }
  };
  // Planning by measuring overwrites its arrays; its findings are dropped, so that the plans of the
  // library stay those of a training run.
  const auto complex_numbers = [](Tensor& t) {
    return reinterpret_cast<fftwf_complex*>(t.data<Complex<float>>());
  };
  Tensor signal(Shape{stride}, DType::Float32), spectrum(Shape{spectrum_stride}, DType::Complex64);
  float* const one = signal.data<float>();
  fftwf_complex* const one_spectrum = complex_numbers(spectrum);
  const auto plans = std::make_shared<Plans>();
  plans->forward = fftwf_plan_dft_r2c_1d(int(F), one, one_spectrum, FFTW_MEASURE);
  plans->inverse = fftwf_plan_dft_c2r_1d(int(F), one_spectrum, one, FFTW_MEASURE);
  fftwf_forget_wisdom();
  Work work;
  work.transforms = 1;
  work.run = [=]() mutable {
    float *from = x.data<float>(), *to = y.data<float>();
    fftwf_complex* middle = complex_numbers(X);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; ++i) {
      fftwf_execute_dft_r2c(plans->forward, from + i * stride, middle + i * spectrum_stride);
      fftwf_execute_dft_c2r(plans->inverse, middle + i * spectrum_stride, to + i * stride);
    }
  };
  return work;
}

inline void add_floors(std::vector<Case>& cases, const Sizes& s, bool quick) {
  const auto add = [&](const std::string& name, int64_t n, const std::function<Work()>& make) {
    cases.push_back({"floor", name, "", n, s.batch, s.dim, make, {}});
  };
  for (const int64_t n : s.n) {
    add("copy", n, [=] { return copy_work(s.batch * n * s.dim); });
    add("fft", n, [=] { return fft_work(s.batch * s.dim, fft::fast_length(2 * n)); });
  }
  const int64_t mebi = 1 << 20;
  add("copy-large", 0, [=] { return copy_work(quick ? mebi : 16 * mebi); });  // floats
  const std::vector<std::vector<int64_t>> shapes =
      quick ? std::vector<std::vector<int64_t>>{{128, 128, 128}}
            : std::vector<std::vector<int64_t>>{
                  {1024, 1024, 1024}, {4096, 512, 512}, {4096, 256, 256}};
  for (const auto& shape : shapes)
    add("gemm-" + std::to_string(shape[0]) + "x" + std::to_string(shape[1]) + "x" +
            std::to_string(shape[2]),
        0, [=] { return gemm_work(shape[0], shape[1], shape[2]); });
}

}  // namespace skiff::bench
