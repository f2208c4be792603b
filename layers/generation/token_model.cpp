#include "layers/generation/token_model.h"

#include <cmath>

#include "core/lanes.h"
#include "core/math.h"
#include "layers/generation/rows.h"
#include "layers/generation/stream.h"

namespace skiff {
namespace {

using lanes::kWidth;
using lanes::Vector;

// Outputs of a panel of weights.
constexpr int kVectors = 4;
template <class T>
constexpr int64_t kPanel = kVectors* kWidth<T>;

// y = b + W x of one panel. Even and odd inputs have sums of their own, because a multiply-add has
// to wait for the one before it. The order of a sum depends on nothing but the number of inputs.
template <class T>
[[gnu::always_inline]] inline void multiply_panel(const T* W, int64_t in, const T* x, const T* bias,
                                                  Vector<T>* y) {
  Vector<T> even[kVectors], odd[kVectors] = {};
  for (int v = 0; v < kVectors; ++v) even[v] = lanes::vector_at(bias + v * kWidth<T>);
  int64_t j = 0;
  for (; j + 2 <= in; j += 2, W += 2 * kPanel<T>)
    for (int v = 0; v < kVectors; ++v) {
      even[v] += lanes::vector_at(W + v * kWidth<T>) * x[j];
      odd[v] += lanes::vector_at(W + kPanel<T> + v * kWidth<T>) * x[j + 1];
    }
  for (int v = 0; v < kVectors; ++v) {
    if (j < in) even[v] += lanes::vector_at(W + v * kWidth<T>) * x[j];
    y[v] = even[v] + odd[v];
  }
}

// Row by row, so that an element is in the vector part of the loop or in its rest whatever the
// number of rows: the two may round differently.
template <class T>
void silu_rows(T* x, int64_t rows, int64_t width) {
  for (int64_t row = 0; row < rows; ++row, x += width) {
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) x[i] = math::silu(x[i]);
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
    : out_(weight.size(0)),
      panels_(zeros({(out_ + kPanel<T> - 1) / kPanel<T>, weight.size(1), kPanel<T>},
                    DTypeOf<T>::value)),
      bias_(zeros({panels_.size(0), kPanel<T>}, DTypeOf<T>::value)) {
  const Tensor W = on_cpu(weight), b = on_cpu(bias);
  for (int64_t o = 0; o < out_; ++o) {
    T* to = panels_.data<T>() + o / kPanel<T> * in() * kPanel<T> + o % kPanel<T>;
    for (int64_t j = 0; j < in(); ++j) to[j * kPanel<T>] = W.data<T>()[o * in() + j];
    if (b) bias_.data<T>()[o] = b.data<T>()[o];
  }
}

template <class T>
void RowLinear<T>::operator()(const T* x, T* y, int64_t count) const {
  const int64_t n = in(), m = out(), panels = panels_.size(0);
  const T *W = panels_.data<T>(), *bias = bias_.data<T>();
  rows::for_each(panels, count * n * m >= rows::kGrain, [&](int64_t p) {
    const int64_t first = p * kPanel<T>;
    for (int64_t row = 0; row < count; ++row) {
      Vector<T> sums[kVectors];
      multiply_panel(W + first * n, n, x + row * n, bias + first, sums);
      for (int v = 0; v < kVectors; ++v) {
        const int64_t left = m - first - v * kWidth<T>;
        if (left > 0)
          lanes::store_some<T>(y + row * m + first + v * kWidth<T>, sums[v],
                               std::min(left, kWidth<T>));
      }
    }
  });
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
  weight_bytes_ = head_.bytes();
  for (size_t i = 0; i < units.size(); ++i) {
    const Block& block = model->trunk.blocks[i];
    const Gtu& gtu = *units[i];
    const Glu& glu = block.glu;
    check(gtu.activation == Activation::Silu && glu.activation == Activation::Silu,
          "generation: the units of layer ", i, " must have the activation silu");
    layers_.push_back(
        {RowNorm<T>(block.unit_norm.get()), RowNorm<T>(block.glu_norm.get()),
         RowLinear<T>(gtu.u_proj.weight, gtu.u_proj.bias),
         RowLinear<T>(gtu.v_proj.weight, gtu.v_proj.bias), RowLinear<T>(gtu.o.weight, gtu.o.bias),
         RowLinear<T>(glu.l1.weight, glu.l1.bias), RowLinear<T>(glu.l2.weight, glu.l2.bias),
         RowLinear<T>(glu.l3.weight, glu.l3.bias)});
    const Layer& l = layers_.back();
    for (const RowLinear<T>* linear : {&l.u, &l.v, &l.o, &l.l1, &l.l2, &l.l3})
      weight_bytes_ += linear->bytes();
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

// y = o( silu(u a) * T silu(v a) )
template <class T>
void TokenModel<T>::mix(const Layer& l, std::vector<CausalSumPtr<T>>& sums, const T* a, T* y,
                        int64_t n) {
  const int64_t inner = l.v.out();
  T *wide = wide_.data<T>(), *gate = gate_.data<T>();
  l.v(a, gate, n);
  silu_rows(gate, n, inner);
  for (int64_t s = 0; s < n; ++s) sums[size_t(s)]->step(gate + s * inner, wide + s * inner);
  l.u(a, gate, n);
  silu_rows(gate, n, inner);
  multiply(wide, gate, n * inner);
  l.o(wide, y, n);
}

// y = l3( silu(l1 a) * l2 a )
template <class T>
void TokenModel<T>::glu(const Layer& l, const T* a, T* y, int64_t n) {
  const int64_t inner = l.l1.out();
  T *wide = wide_.data<T>(), *gate = gate_.data<T>();
  l.l1(a, wide, n);
  silu_rows(wide, n, inner);
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
