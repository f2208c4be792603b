#include "layers/generation/token_model.h"

#include <cmath>

#include "core/lanes.h"
#include "core/math.h"
#include "layers/generation/stream.h"

namespace skiff {
namespace {

using lanes::kWidth;
using lanes::Vector;

// From here on, in multiply-adds, a product is divided among threads.
constexpr int64_t kGrain = 1 << 18;

// The products of R rows of W with x. Each row has two vectors of partial sums, so the order of its
// sum does not depend on R.
template <int R, class T>
[[gnu::always_inline]] inline void dots(const T* W, int64_t in, const T* x, T* sums) {
  constexpr int kVectors = 2;
  constexpr int64_t kStep = kVectors * kWidth<T>;
  Vector<T> partial[R][kVectors] = {};
  int64_t j = 0;
  for (; j + kStep <= in; j += kStep)
    for (int v = 0; v < kVectors; ++v) {
      const Vector<T> xs = lanes::vector_at(x + j + v * kWidth<T>);
      for (int r = 0; r < R; ++r)
        partial[r][v] += lanes::vector_at(W + r * in + j + v * kWidth<T>) * xs;
    }
  for (int r = 0; r < R; ++r) {
    T sum = 0;
    for (int64_t rest = j; rest < in; ++rest) sum += W[r * in + rest] * x[rest];
    const Vector<T> all = partial[r][0] + partial[r][1];
    for (int64_t c = 0; c < kWidth<T>; ++c) sum += all[c];
    sums[r] = sum;
  }
}

template <class T>
T activated(Activation activation, T x) {
  switch (activation) {
    case Activation::None:
      return x;
    case Activation::Relu:
      return x > 0 ? x : T(0);
    case Activation::Silu:
      return math::silu(x);
    case Activation::Gelu:
      return x * T(0.5) * T(1 + std::erf(x * T(std::sqrt(0.5))));
    case Activation::Sigmoid:
      return math::sigmoid(x);
    case Activation::Tanh:
      return std::tanh(x);
    case Activation::Exp:
      return math::exp(x);
    case Activation::Elu:
      return x > 0 ? x : std::expm1(x);
  }
  return x;
}

template <class T>
void activate_rows(Activation activation, T* x, int64_t n) {
  if (activation == Activation::Silu) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) x[i] = math::silu(x[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) x[i] = activated(activation, x[i]);
  }
}

template <class T>
void add(T* x, const T* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) x[i] += y[i];
}
template <class T>
void multiply(T* x, const T* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) x[i] *= y[i];
}

Tensor on_cpu(const Variable& v) { return v.value() ? v.value().to(Device::CPU) : Tensor(); }

}  // namespace

template <class T>
RowLinear<T>::RowLinear(const Variable& weight, const Variable& bias)
    : weight_(on_cpu(weight)), bias_(bias.value() ? on_cpu(bias) : Tensor()) {}

template <class T>
void RowLinear<T>::operator()(const T* x, T* y, int64_t rows) const {
  constexpr int64_t kRows = 4;
  const int64_t n = in(), m = out(), pieces = (m + kRows - 1) / kRows;
  const T* W = weight_.data<T>();
  const T* bias = bias_ ? bias_.data<T>() : nullptr;
#pragma omp parallel for schedule(static) if (rows * n * m >= kGrain)
  for (int64_t piece = 0; piece < pieces; ++piece) {
    const int64_t first = piece * kRows, count = std::min(kRows, m - first);
    for (int64_t row = 0; row < rows; ++row) {
      T sums[kRows];
      if (count == kRows)
        dots<kRows>(W + first * n, n, x + row * n, sums);
      else
        for (int64_t r = 0; r < count; ++r) dots<1>(W + (first + r) * n, n, x + row * n, sums + r);
      for (int64_t r = 0; r < count; ++r)
        y[row * m + first + r] = sums[r] + (bias ? bias[first + r] : T(0));
    }
  }
}

template <class T>
RowNorm<T>::RowNorm(const Norm* norm) {
  if (norm == nullptr || dynamic_cast<const NoNorm*>(norm)) return;
  if (dynamic_cast<const SimpleRmsNorm*>(norm)) {
    kind_ = NormKind::SimpleRms;
  } else if (const auto* rms = dynamic_cast<const RmsNorm*>(norm)) {
    kind_ = NormKind::Rms;
    scale_ = on_cpu(rms->scale);
  } else if (const auto* gated = dynamic_cast<const GatedRmsNorm*>(norm)) {
    kind_ = NormKind::GatedRms;
    scale_ = on_cpu(gated->scale);
    gate_ = on_cpu(gated->gate);
  } else if (const auto* layer = dynamic_cast<const LayerNorm*>(norm)) {
    kind_ = NormKind::Layer;
    scale_ = on_cpu(layer->weight);
    bias_ = on_cpu(layer->bias);
  } else {
    fail<UsageError>("generation: a norm of this kind does not act on single positions");
  }
}

// Formulas and eps as in autograd/ops/norm.
template <class T>
void RowNorm<T>::operator()(const T* x, T* y, int64_t rows, int64_t dim) const {
  const T* scale = scale_ ? scale_.data<T>() : nullptr;
  for (int64_t row = 0; row < rows; ++row, x += dim, y += dim) {
    T mean = 0, square = 0, factor = 1;
    if (kind_ == NormKind::Layer) {
      for (int64_t j = 0; j < dim; ++j) mean += x[j];
      mean /= T(dim);
    }
    if (kind_ != NormKind::None) {
      for (int64_t j = 0; j < dim; ++j) square += (x[j] - mean) * (x[j] - mean);
      square /= T(dim);
      factor = kind_ == NormKind::Layer ? T(1) / std::sqrt(square + T(1e-5))
                                        : T(1) / (std::sqrt(square) + T(1e-8));
    }
    for (int64_t j = 0; j < dim; ++j) {
      T value = (x[j] - mean) * factor;
      if (scale) value *= scale[j];
      if (kind_ == NormKind::Layer) value += bias_.data<T>()[j];
      if (kind_ == NormKind::GatedRms) value *= math::sigmoid(x[j] * gate_.data<T>()[j]);
      y[j] = value;
    }
  }
}

template <class T>
TokenModel<T>::TokenModel(LanguageModel* model)
    : options_(model->options()),
      embedding_scale_(model->language.scale_embedding ? std::sqrt(double(options_.dim)) : 1),
      embedding_(on_cpu(std::get<Embedding>(model->trunk.encoder).weight)),
      embedding_norm_(model->embedding_norm.get()),
      final_norm_(model->trunk.norm.get()),
      head_(model->head, {}) {
  const std::vector<Gtu*> units = toeplitz_units(model);
  weight_bytes_ = head_.weight().bytes();
  for (size_t i = 0; i < units.size(); ++i) {
    const Block& block = model->trunk.blocks[i];
    const Gtu& gtu = *units[i];
    const Glu& glu = block.glu;
    layers_.push_back(
        {RowNorm<T>(block.unit_norm.get()), RowNorm<T>(block.glu_norm.get()),
         RowLinear<T>(gtu.u_proj.weight, gtu.u_proj.bias),
         RowLinear<T>(gtu.v_proj.weight, gtu.v_proj.bias), RowLinear<T>(gtu.o.weight, gtu.o.bias),
         RowLinear<T>(glu.l1.weight, glu.l1.bias), RowLinear<T>(glu.l2.weight, glu.l2.bias),
         RowLinear<T>(glu.l3.weight, glu.l3.bias), gtu.activation, glu.activation});
    const Layer& l = layers_.back();
    for (const RowLinear<T>* linear : {&l.u, &l.v, &l.o, &l.l1, &l.l2, &l.l3})
      weight_bytes_ += linear->weight().bytes();
  }
}

template <class T>
void TokenModel<T>::reserve(int64_t samples) {
  if (samples <= reserved_) return;
  const auto rows = [&](int64_t width) { return Tensor({samples, width}, DTypeOf<T>::value); };
  const int64_t dim = options_.dim, wide = std::max(options_.inner(), options_.glu_inner());
  x_ = rows(dim), a_ = rows(dim), y_ = rows(dim);
  wide_ = rows(wide), gate_ = rows(wide), logits_ = rows(head_.out());
  reserved_ = samples;
}

// y = o( act(u a) * T act(v a) )
template <class T>
void TokenModel<T>::mix(const Layer& l, std::vector<CausalSumPtr<T>>& sums, const T* a, T* y,
                        int64_t n) {
  const int64_t inner = l.v.out();
  T *wide = wide_.data<T>(), *gate = gate_.data<T>();
  l.v(a, gate, n);
  activate_rows(l.unit_activation, gate, n * inner);
  for (int64_t s = 0; s < n; ++s) sums[size_t(s)]->step(gate + s * inner, wide + s * inner);
  l.u(a, gate, n);
  activate_rows(l.unit_activation, gate, n * inner);
  multiply(wide, gate, n * inner);
  l.o(wide, y, n);
}

// y = l3( act(l1 a) * l2 a )
template <class T>
void TokenModel<T>::glu(const Layer& l, const T* a, T* y, int64_t n) {
  const int64_t inner = l.l1.out();
  T *wide = wide_.data<T>(), *gate = gate_.data<T>();
  l.l1(a, wide, n);
  activate_rows(l.glu_activation, wide, n * inner);
  l.l2(a, gate, n);
  multiply(wide, gate, n * inner);
  l.l3(wide, y, n);
}

template <class T>
const T* TokenModel<T>::logits(std::span<const int32_t> tokens, Sums& sums) {
  const int64_t n = int64_t(tokens.size()), dim = options_.dim;
  reserve(n);
  T *x = x_.data<T>(), *a = a_.data<T>(), *y = y_.data<T>();
  for (int64_t s = 0; s < n; ++s) {
    const int64_t token = tokens[size_t(s)];
    check(token >= 0 && token < embedding_.size(0), "generation: token ", token,
          " is outside of the vocabulary of ", embedding_.size(0));
    for (int64_t j = 0; j < dim; ++j)
      x[s * dim + j] = T(embedding_scale_) * embedding_.data<T>()[token * dim + j];
  }
  embedding_norm_(x, x, n, dim);
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& l = layers_[i];
    if (options_.postnorm) {
      mix(l, sums[i], x, y, n);
      add(x, y, n * dim);
      l.unit_norm(x, x, n, dim);
      glu(l, x, y, n);
      add(x, y, n * dim);
      l.glu_norm(x, x, n, dim);
    } else {
      l.unit_norm(x, a, n, dim);
      mix(l, sums[i], a, y, n);
      add(x, y, n * dim);
      l.glu_norm(x, a, n, dim);
      glu(l, a, y, n);
      add(x, y, n * dim);
    }
  }
  final_norm_(x, a, n, dim);
  head_(a, logits_.data<T>(), n);
  return logits_.data<T>();
}

template <class T>
const T* TokenModel<T>::logits_of(const T* features) {
  reserve(1);
  head_(features, logits_.data<T>(), 1);
  return logits_.data<T>();
}

template class RowLinear<float>;
template class RowLinear<double>;
template class RowNorm<float>;
template class RowNorm<double>;
template class TokenModel<float>;
template class TokenModel<double>;

}  // namespace skiff
