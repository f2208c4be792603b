#include "layers/generation/stream.h"

#include <algorithm>
#include <utility>

#include "autograd/ops.h"
#include "core/memory.h"

namespace skiff {

namespace {

// A kernel of M lags, and the last inputs, at most M-1.
struct TailMixer : Mixer {
  Tensor kernel;        // (M, channels)
  Tensor oldest_first;  // the same from the last lag to lag 0
  mutable Tensor tail;  // (1, at most M-1, channels); none: nothing came before
  std::function<void(const Tensor&)> observer;

  explicit TailMixer(const Tensor& taps) : kernel(taps) {
    std::vector<int32_t> backwards;
    for (int64_t l = taps.size(0) - 1; l >= 0; --l) backwards.push_back(int32_t(l));
    oldest_first =
        embedding(tensor_of(backwards, {taps.size(0)}).to(taps.device()), Variable(taps)).value();
  }

  Variable operator()(const Variable& x, int64_t) const override {
    const int64_t lags = kernel.size(0), channels = kernel.size(1), n = x.size(1);
    check(x.rank() == 3 && x.size(0) == 1, "stream: one sequence is needed, got ", x.value());
    if (observer) observer(reshape(x, {n, channels}).value());
    const Variable all = tail ? concat({tail, x}, 1) : x;
    const int64_t length = all.size(1), kept = std::min(lags - 1, length);
    if (kept > 0) tail = slice(all, 1, length - kept, length).value().clone();
    if (n == 1) {  // sum_l t[l] x[-l], directly
      const Variable t = slice(Variable(oldest_first), 0, lags - length, lags);
      return reshape(sum(all * reshape(t, {1, length, channels}), 1), {1, 1, channels});
    }
    Variable t = kernel;
    if (length > lags)
      t = concat({t, zeros({length - lags, channels}, kernel.dtype(), kernel.device())}, 0);
    else if (length < lags)
      t = slice(t, 0, 0, length);
    return slice(toeplitz(t, all, Direction::Causal, 1), 1, length - n, length);
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
