#include "layers/generation/stream.h"

#include <algorithm>
#include <utility>

#include "autograd/ops.h"
#include "core/memory.h"

namespace skiff {

namespace {

// A kernel of M lags, and the M-1 last inputs.
struct TailMixer : Mixer {
  Tensor kernel;        // (M, channels)
  Tensor oldest_first;  // the same from the last lag to lag 0
  mutable Tensor tail;  // (1, M-1, channels); zeros: nothing came before
  std::function<void(const Tensor&)> observer;

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
    if (observer) observer(reshape(x, {n, channels}).value());
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

std::vector<Tensor> kernels_of(LanguageModel* model, int64_t lags) {
  check<UsageError>(has_kernels(model->options()),
                    "stream: a causal model whose mixers are Toeplitz kernels is needed, without "
                    "--sinusoids and --tno-normalize; got the mixer '",
                    model->options().mixer, "'");
  check<UsageError>(lags >= 1, "stream: the kernels need at least 1 lag, got ", lags);
  std::vector<Tensor> kernels;
  for (const Gtu* gtu : toeplitz_units(model)) kernels.push_back(gtu->mixer->causal_taps(lags));
  return kernels;
}

}  // namespace

bool has_kernels(const ModelOptions& o) {
  const bool normalized = o.mixer == "tno" && o.tno.normalize;
  return o.kernel.causal && o.mixer != "attention" && !o.sinusoids && !normalized;
}

std::vector<Gtu*> toeplitz_units(LanguageModel* model) {
  std::vector<Gtu*> units;
  for (const Block& block : model->trunk.blocks) {
    units.push_back(dynamic_cast<Gtu*>(block.unit.get()));
    check(units.back() != nullptr, "a layer has no gated Toeplitz unit");
  }
  return units;
}

Stream::Stream(LanguageModel* model, int64_t lags) : Stream(model, kernels_of(model, lags)) {}

Stream::Stream(LanguageModel* model, const std::vector<Tensor>& kernels, const Observer& observer)
    : model_(*model) {
  const Tape::Pause pause;
  const std::vector<Gtu*> units = toeplitz_units(model);
  for (size_t i = 0; i < units.size(); ++i) {
    auto mixer = std::make_unique<TailMixer>(kernels[i]);
    if (observer) mixer->observer = [observer, i](const Tensor& values) { observer(i, values); };
    replaced_.push_back(std::exchange(units[i]->mixer, std::move(mixer)));
  }
}

Stream::~Stream() {
  const std::vector<Gtu*> units = toeplitz_units(&model_);
  for (size_t i = 0; i < replaced_.size(); ++i) units[i]->mixer = std::move(replaced_[i]);
}

Variable Stream::features(const Tensor& tokens) {
  const Tape::Pause pause;
  return model_.features(tokens);
}

}  // namespace skiff
