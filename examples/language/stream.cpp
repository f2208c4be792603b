#include "examples/language/stream.h"

#include <algorithm>
#include <utility>

#include "autograd/ops.h"
#include "core/memory.h"
#include "layers/blocks/gtu.h"
#include "layers/operators/ski_tno.h"

namespace skiff {

namespace {

// A kernel of M lags, and the M-1 last inputs.
struct TailMixer : Mixer {
  Tensor kernel;        // (M, channels)
  Tensor oldest_first;  // the same from the last lag to lag 0
  mutable Tensor tail;  // (1, M-1, channels); zeros: nothing came before

  explicit TailMixer(const Tensor& taps) : kernel(taps) {
    const int64_t lags = taps.size(0), channels = taps.size(1);
    std::vector<int32_t> backwards;
    for (int64_t l = lags - 1; l >= 0; --l) backwards.push_back(int32_t(l));
    oldest_first =
        embedding(tensor_of(backwards, {lags}).to(taps.device()), Variable(taps)).value();
    if (lags > 1) tail = zeros({1, lags - 1, channels}, taps.dtype(), taps.device());
  }

  Variable operator()(const Variable& x, int64_t) const override {
    const int64_t lags = kernel.size(0), channels = kernel.size(1), n = x.size(1);
    check(x.rank() == 3 && x.size(0) == 1, "stream: one sequence is needed, got ", x.value());
    const Variable all = lags > 1 ? concat({tail, x}, 1) : x;
    const int64_t length = all.size(1);
    if (lags > 1) tail = slice(all, 1, length - (lags - 1), length).value().clone();
    if (n == 1)  // sum_l t[l] x[-l], directly
      return reshape(sum(all * Variable(reshape(Variable(oldest_first), {1, lags, channels})), 1),
                     {1, 1, channels});
    Variable t = kernel;
    if (length > lags)
      t = concat({t, zeros({length - lags, channels}, kernel.dtype(), kernel.device())}, 0);
    return slice(toeplitz(t, all, Direction::Causal, 1), 1, lags - 1, length);
  }
};

// The kernel of SkiTno::causal_product for n = trained, with more inducing points at the same
// distance H = (n-1)/(r-1). With k (r-1) + 1 of them the last one is at lag k (n-1).
Tensor extended_kernel(const SkiTno& ski, int64_t lags, int64_t trained) {
  const int64_t r = ski.options.inducing_points, channels = ski.channels;
  const int64_t k = (lags - 2) / (trained - 1) + 1, length = k * (trained - 1) + 1;
  std::vector<double> points;
  for (int64_t j = 0; j <= k * (r - 1); ++j)
    points.push_back(double(j) * double(trained - 1) / double(r - 1));
  const DType dtype = ski.alphas.dtype();
  const Device device = ski.alphas.device();
  const Variable table =
      concat({zeros({1, channels}, dtype, device),
              ski.table_scale * transpose(reshape(ski.alphas, {channels, r}), 0, 1)},
             0);
  const Variable smooth =
      linear_resize(warped_kernel(table, points, ski.warp_base(), Direction::Causal), length,
                    Resize::AlignedEnds, 0);
  const int64_t kept = std::min(ski.conv_kernel.size(1), length);
  Variable near = slice(transpose(ski.conv_kernel, 0, 1), 0, 0, kept);
  if (kept < length) near = concat({near, zeros({length - kept, channels}, dtype, device)}, 0);
  return slice(smooth + near, 0, 0, lags).value();
}

Gtu* gtu_of(const Block& block) { return dynamic_cast<Gtu*>(block.unit.get()); }

}  // namespace

bool has_kernels(const ModelOptions& o) {
  const bool normalized = o.mixer == "tno" && o.tno.normalize;
  return o.kernel.causal && o.mixer != "attention" && !o.sinusoids && !normalized;
}

Tensor causal_kernel(const Mixer& mixer, int64_t lags, int64_t trained, const Tensor& like) {
  const Tape::Pause pause;
  const SkiTno* ski = dynamic_cast<const SkiTno*>(&mixer);
  if (ski && lags > trained && trained > 1) return extended_kernel(*ski, lags, trained);
  // What the mixer makes of an impulse.
  const int64_t channels = like.size(0);
  Tensor impulse = zeros({1, lags, channels}, DType::Float64);
  std::fill(impulse.data<double>(), impulse.data<double>() + channels, 1.0);
  const Variable y = mixer(Variable(impulse.to(like.dtype()).to(like.device())));
  return reshape(y, {lags, channels}).value();
}

Stream::Stream(LanguageModel* model, int64_t lags) : model_(*model) {
  check<UsageError>(has_kernels(model->options()),
                    "stream: a causal model whose mixers are Toeplitz kernels is needed, without "
                    "--sinusoids and --tno-normalize; got the mixer '",
                    model->options().mixer, "'");
  check<UsageError>(lags >= 1, "stream: the kernels need at least 1 lag, got ", lags);
  for (const Block& block : model_.trunk.blocks) {
    Gtu* gtu = gtu_of(block);
    const Tensor taps =
        causal_kernel(*gtu->mixer, lags, model->shape.max_length, gtu->v_proj.weight.value());
    replaced_.push_back(std::exchange(gtu->mixer, std::make_unique<TailMixer>(taps)));
  }
}

Stream::~Stream() {
  for (size_t i = 0; i < replaced_.size(); ++i)
    gtu_of(model_.trunk.blocks[i])->mixer = std::move(replaced_[i]);
}

Variable Stream::features(const Tensor& tokens) {
  const Tape::Pause pause;
  return model_.features(tokens);
}

}  // namespace skiff
