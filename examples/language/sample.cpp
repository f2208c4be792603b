#include "examples/language/sample.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "autograd/ops.h"
#include "core/random.h"
#include "examples/language/stream.h"

namespace skiff {

namespace {

int32_t first_token(const Vocabulary& vocabulary) {
  if (vocabulary.eos() >= 0) return vocabulary.eos();
  for (int64_t id = 0; id < vocabulary.size(); ++id)
    if (vocabulary.kind() != Vocabulary::Kind::Ids && vocabulary.token(int32_t(id)) == "\n")
      return int32_t(id);
  return 0;
}

}  // namespace

int32_t drawn_token(const std::vector<double>& logits, double temperature, double u) {
  for (const double v : logits)
    check<NumericalError>(std::isfinite(v), "the model's logits are not finite");
  const auto largest = std::max_element(logits.begin(), logits.end());
  if (temperature == 0) return int32_t(largest - logits.begin());
  std::vector<double> sums;  // of the probabilities, not normalised
  double sum = 0;
  for (const double v : logits) sums.push_back(sum += std::exp((v - *largest) / temperature));
  const auto chosen = std::upper_bound(sums.begin(), sums.end(), u * sum);
  return int32_t(std::min(chosen, sums.end() - 1) - sums.begin());
}

std::string written_text(LanguageModel* model, const Vocabulary& vocabulary,
                         const SampleOptions& options, const std::function<bool()>& goes_on) {
  const Tape::Pause pause;
  std::optional<Stream> stream;
  if (has_kernels(model->options())) stream.emplace(model, options.length);
  Random random(options.seed, hash_name("sample"));
  TextStream text(&vocabulary);
  std::string written;
  std::vector<int32_t> tokens = {first_token(vocabulary)};
  for (int64_t i = 0; i < options.tokens && goes_on(); ++i) {
    const int64_t seen = stream ? 1 : std::min(options.length, int64_t(tokens.size()));
    const Tensor input =
        tensor_of(std::vector<int32_t>(tokens.end() - seen, tokens.end()), {1, seen})
            .to(model->head.device());
    const Variable x = stream ? stream->features(input) : model->features(input);
    const Variable logits = model->logits(last_position(x));
    tokens.push_back(drawn_token(to_vector(logits.value()), options.temperature, random.uniform()));
    written += text.add(tokens.back());
  }
  return written + text.finish();
}

}  // namespace skiff
