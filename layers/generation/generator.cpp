#include "layers/generation/generator.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "autograd/ops.h"
#include "core/scratch.h"
#include "layers/generation/rows.h"
#include "layers/generation/stream.h"
#include "layers/generation/token_model.h"
#include "layers/operators/ski_tno.h"

namespace skiff {

std::span<const Word<Method>> words_of(Method) {
  static constexpr Word<Method> kWords[] = {{Method::Auto, "auto"},     {Method::Naive, "naive"},
                                            {Method::Dense, "dense"},   {Method::Online, "online"},
                                            {Method::States, "states"}, {Method::Prefix, "prefix"}};
  return kWords;
}

struct Generator::Way {
  LanguageModel* model;
  GeneratorOptions options;  // without Auto, with lags
  int64_t samples = 1, position = 0;
  std::vector<double> logits;  // (samples, vocab)
  StatesError states_error;

  Way(LanguageModel* model, const GeneratorOptions& o) : model(model), options(o) {}
  virtual ~Way() = default;
  virtual void reset() = 0;
  virtual void read(std::span<const int32_t> tokens) = 0;
  virtual void split() = 0;  // sample 0 becomes `samples`
  virtual void step(std::span<const int32_t> tokens) = 0;
  virtual int64_t state_bytes() const = 0;
  virtual int64_t weight_bytes() const = 0;

  int64_t vocab() const { return model->shape.vocab; }
  template <class T>
  void set_logits(const T* from) {
    logits.assign(from, from + samples * vocab());
  }
};

// ---- everything from the beginning, for every token ----
struct Generator::NaiveWay : Way {
  std::vector<std::vector<int32_t>> texts{1};
  std::vector<Tensor> kernels;  // empty: attention

  NaiveWay(LanguageModel* model, const GeneratorOptions& o) : Way(model, o) {
    if (!has_kernels(model->options())) return;
    for (const Gtu* gtu : toeplitz_units(model)) kernels.push_back(gtu->mixer->causal_taps(o.lags));
  }
  void reset() override { texts.assign(1, {}); }
  void split() override { texts.resize(size_t(samples), texts[0]); }
  void read(std::span<const int32_t> tokens) override {
    texts[0].insert(texts[0].end(), tokens.begin(), tokens.end());
    compute();
  }
  void step(std::span<const int32_t> tokens) override {
    for (size_t s = 0; s < tokens.size(); ++s) texts[s].push_back(tokens[s]);
    compute();
  }
  void compute() {
    const Tape::Pause pause;
    logits.clear();
    for (const std::vector<int32_t>& text : texts) {
      const int64_t all = int64_t(text.size());
      const int64_t n = kernels.empty() ? std::min(all, options.lags) : all;
      const Tensor input = tensor_of(std::vector<int32_t>(text.end() - n, text.end()), {1, n})
                               .to(model->head.device());
      std::optional<Stream> fixed;
      if (!kernels.empty()) fixed.emplace(model, kernels);
      const Variable x = fixed ? fixed->features(input) : model->features(input);
      const std::vector<double> last = to_vector(model->logits(last_position(x)).value());
      logits.insert(logits.end(), last.begin(), last.end());
    }
  }
  int64_t state_bytes() const override {
    int64_t bytes = 0;
    for (const auto& text : texts) bytes += int64_t(text.size() * sizeof(int32_t));
    return bytes;
  }
  int64_t weight_bytes() const override { return 0; }
};

// ---- a position at a time ----
template <class T>
struct Generator::TokenWay : Way {
  TokenModel<T> token_model;
  std::vector<Tensor> kernels;
  typename TokenModel<T>::Sums sums;  // [layer][sample]
  struct Part {
    CausalSum<T>* sum;
    int64_t part;
  };
  std::vector<Part> due;  // after a step
  int64_t scratch_bytes = 0;
  Tensor scratch;  // of all threads

  TokenWay(LanguageModel* model, const GeneratorOptions& o) : Way(model, o), token_model(model) {
    for (const Gtu* gtu : toeplitz_units(model)) {
      kernels.push_back(gtu->mixer->causal_taps(o.lags));
      sums.emplace_back();
      sums.back().push_back(make_sum(*gtu->mixer, kernels.back().to(Device::CPU)));
      scratch_bytes = std::max(scratch_bytes, sums.back()[0]->scratch_bytes());
    }
    scratch_bytes = (scratch_bytes + 63) / 64 * 64;
  }

  CausalSumPtr<T> make_sum(const Mixer& mixer, const Tensor& kernel) {
    if (options.method == Method::Dense) return dense_sum<T>(kernel);
    if (options.method == Method::Online) return online_sum<T>(kernel, options.online);
    if (options.method == Method::Prefix)
      return prefix_sum<T>(dynamic_cast<const SkiTno&>(mixer).causal_pieces(options.lags));
    const StateKernel states = state_kernel(kernel, options.exact_lags, options.states);
    note_error(kernel.to(DType::Float64), states);
    return state_sum<T>(states);
  }

  void note_error(const Tensor& kernel, const StateKernel& states) {
    const int64_t lags = kernel.size(0), D = kernel.size(1);
    for (int64_t d = 0; d < D; ++d) {
      double sum = 0;
      for (int64_t l = 0; l < lags; ++l) sum += std::abs(kernel.data<double>()[l * D + d]);
      const double error = states.error.data<double>()[d];
      states_error.absolute = std::max(states_error.absolute, error);
      if (sum > 0) states_error.relative = std::max(states_error.relative, error / sum);
    }
  }

  void reset() override {
    for (auto& layer : sums) {
      layer.resize(1);
      layer[0]->reset();
    }
  }
  void split() override {
    for (auto& layer : sums)
      while (int64_t(layer.size()) < samples) layer.push_back(layer[0]->copy());
  }

  // A prompt as a batch, when nothing was read before; later tokens one by one.
  void read(std::span<const int32_t> tokens) override {
    if (position > 0) {
      for (const int32_t token : tokens) step(std::span(&token, 1));
      return;
    }
    Stream stream(model, kernels, [&](size_t layer, const Tensor& values) {
      const Tensor own = values.to(Device::CPU);
      sums[layer][0]->take(own.data<T>(), own.size(0));
    });
    // Long pieces, since each one transforms as many earlier values as the kernel has lags.
    const size_t longest = std::max(size_t(4096), size_t(options.lags));
    Tensor last;
    for (size_t first = 0; first < tokens.size(); first += longest) {
      const auto piece = tokens.subspan(first, std::min(longest, tokens.size() - first));
      const Tensor input =
          tensor_of(std::vector<int32_t>(piece.begin(), piece.end()), {1, int64_t(piece.size())});
      const Variable x = stream.features(input.to(model->head.device()));
      last = last_position(x).value().to(Device::CPU);
    }
    set_logits(token_model.logits_of(last.data<T>()));
  }

  void step(std::span<const int32_t> tokens) override {
    set_logits(token_model.logits(tokens, sums));
    between_steps();
  }

  // Of all layers and samples at once.
  void between_steps() {
    due.clear();
    int64_t work = 0;
    for (auto& layer : sums)
      for (CausalSumPtr<T>& sum : layer) {
        if (sum->parts() == 0) continue;
        work += sum->work();
        for (int64_t part = 0; part < sum->parts(); ++part) due.push_back({sum.get(), part});
      }
    if (due.empty()) return;
    const int64_t threads = omp_get_max_threads();
    if (scratch_bytes > 0 && (!scratch || scratch.bytes() < threads * scratch_bytes))
      scratch = Tensor({threads * scratch_bytes / 4}, DType::Int32);
    char* const all = scratch ? static_cast<char*>(scratch.raw()) : nullptr;
    const int64_t parts = int64_t(due.size());
    rows::for_each(parts, work >= rows::kGrain, [&](int64_t i) {
      char* mine = all ? all + omp_get_thread_num() * scratch_bytes : nullptr;
      due[size_t(i)].sum->between_steps(due[size_t(i)].part, mine);
    });
  }

  int64_t state_bytes() const override {
    int64_t bytes = 0;
    for (const auto& layer : sums)
      for (const CausalSumPtr<T>& sum : layer) bytes += sum->bytes();
    return bytes;
  }
  int64_t weight_bytes() const override { return token_model.weight_bytes(); }
};

namespace {

// The exact way with the fewest operations per input and channel (causal_sum.h). Sums of prefixes
// are in float64, which counts twice.
Method cheapest(const ModelOptions& m, int64_t lags, int64_t trained) {
  const int64_t near = OnlineOptions().near;
  const double levels = std::log2(double(std::clamp(lags, int64_t(2), near)));
  double dense = 2 * double(lags), online = (2.5 * levels + 15.5) * levels + 16;
  for (int64_t V = near / 2; 2 * V < lags; V *= 2) online += 20 * std::log2(4 * double(V));
  const Method best = dense <= online ? Method::Dense : Method::Online;
  if (m.mixer != "ski") return best;
  const double distance = double(std::max(trained - 1, int64_t(1))) /
                          double(std::max(m.ski.inducing_points - 1, int64_t(1)));
  const double prefix = 2 * 7 * double(lags) / distance + 2 * double(m.ski.filter);
  return prefix < std::min(dense, online) ? Method::Prefix : best;
}

GeneratorOptions resolved(const LanguageModel& model, GeneratorOptions o) {
  const ModelOptions& m = model.options();
  check<UsageError>(m.kernel.causal,
                    "generation: a causal model is needed, and this one predicts "
                    "masked tokens from both sides");
  if (o.lags == 0) o.lags = std::max(model.shape.max_length, int64_t(1));
  if (!has_kernels(m)) {
    check<UsageError>(o.method == Method::Auto || o.method == Method::Naive,
                      "--method: a model of the mixer '", m.mixer,
                      "' has no fixed Toeplitz kernels (or has --sinusoids or --tno-normalize) and "
                      "can only read its window again: auto or naive");
    o.method = Method::Naive;
  }
  if (o.method == Method::Auto) o.method = cheapest(m, o.lags, model.shape.max_length);
  check<UsageError>(o.method != Method::Prefix || m.mixer == "ski",
                    "--method: prefix sums serve the straight lines of ski, and this model's mixer "
                    "is '",
                    m.mixer, "'");
  return o;
}

}  // namespace

Generator::Generator(LanguageModel* model, const GeneratorOptions& o) {
  const GeneratorOptions own = resolved(*model, o);
  if (own.method == Method::Naive)
    way_ = std::make_unique<NaiveWay>(model, own);
  else if (model->options().dtype == DType::Float64)
    way_ = std::make_unique<TokenWay<double>>(model, own);
  else
    way_ = std::make_unique<TokenWay<float>>(model, own);
}

Generator::~Generator() = default;

Method Generator::method() const { return way_->options.method; }
int64_t Generator::lags() const { return way_->options.lags; }
int64_t Generator::samples() const { return way_->samples; }
int64_t Generator::position() const { return way_->position; }

void Generator::reset() {
  way_->samples = 1;
  way_->position = 0;
  way_->logits.clear();
  way_->reset();
}

void Generator::read(std::span<const int32_t> tokens) {
  check(way_->samples == 1 && !tokens.empty(),
        "generation: one sample reads at least one token, got ", way_->samples, " samples and ",
        tokens.size(), " tokens");
  way_->read(tokens);
  way_->position += int64_t(tokens.size());
}

void Generator::split(int64_t samples) {
  check(way_->samples == 1 && samples >= 1 && way_->position > 0,
        "generation: one sample that has read something becomes several, got ", way_->samples,
        " that have read ", way_->position, " tokens, and ", samples, " wanted");
  way_->samples = samples;
  way_->split();
  const std::vector<double> own = way_->logits;
  for (int64_t s = 1; s < samples; ++s)
    way_->logits.insert(way_->logits.end(), own.begin(), own.end());
}

void Generator::step(std::span<const int32_t> tokens) {
  check(int64_t(tokens.size()) == way_->samples, "generation: one token per sample is needed, got ",
        tokens.size(), " for ", way_->samples);
  way_->step(tokens);
  way_->position += 1;
}

std::span<const double> Generator::logits(int64_t sample) const {
  const int64_t vocab = way_->vocab();
  check(sample >= 0 && sample < way_->samples && !way_->logits.empty(),
        "generation: no logits of sample ", sample, " after ", way_->position, " tokens");
  return std::span(way_->logits).subspan(size_t(sample * vocab), size_t(vocab));
}

int64_t Generator::state_bytes() const { return way_->state_bytes(); }
int64_t Generator::weight_bytes() const { return way_->weight_bytes(); }
Generator::StatesError Generator::states_error() const { return way_->states_error; }

}  // namespace skiff
