#include "examples/language/sample.h"

#include "layers/generation/choose.h"
#include "layers/generation/generator.h"

namespace skiff {

int32_t first_token(const Vocabulary& vocabulary) {
  if (vocabulary.eos() >= 0) return vocabulary.eos();
  for (int64_t id = 0; id < vocabulary.size(); ++id)
    if (vocabulary.kind() != Vocabulary::Kind::Ids && vocabulary.token(int32_t(id)) == "\n")
      return int32_t(id);
  return 0;
}

std::string written_text(LanguageModel* model, const Vocabulary& vocabulary,
                         const SampleOptions& options, const std::function<bool()>& goes_on) {
  Generator generator(model, {.lags = options.length});
  const ChoiceOptions choice{.temperature = options.temperature};
  TextStream text(&vocabulary);
  std::string written;
  int32_t token = first_token(vocabulary);
  for (int64_t i = 0; i < options.tokens && goes_on(); ++i) {
    generator.step(token);
    token = chosen_token(generator.logits(), choice, choice_uniform(options.seed, 0, i + 1));
    written += text.add(token);
  }
  return written + text.finish();
}

}  // namespace skiff
