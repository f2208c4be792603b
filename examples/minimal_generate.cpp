// Continues a text with a model that train_lm has trained. This page is meant to be read;
// generate.cpp is the tool with every option.
// Run:     build/cpu/minimal_generate runs/input-tiny-fd-1/best.safetensors "ROMEO:"
// Expect:  the text and 300 tokens that follow it
#include <cctype>
#include <cstdio>

#include "data/language/vocabulary.h"
#include "layers/generation/choose.h"
#include "layers/generation/generator.h"
#include "layers/model_file.h"

using namespace skiff;

int main(int argc, char** argv) try {
  check<UsageError>(argc == 3 && argv[2][0] != '\0', "usage: minimal_generate CHECKPOINT TEXT");
  const OpenedLanguageModel opened = open_language_model(argv[1]);
  const auto found = opened.metadata.find("text.vocabulary");
  check<DataError>(found != opened.metadata.end(), argv[1], ": no vocabulary in this file");
  const Vocabulary vocabulary = Vocabulary::from_text(found->second, argv[1]);

  // The kernel of each layer is fixed here. What a token costs then depends on the way its sums
  // over earlier positions are computed: directly, by tiles and FFTs, or by prefix sums.
  Generator generator(opened.model.get(), {.method = Method::Auto});
  const std::vector<int32_t> prompt = vocabulary.encode(argv[2]);
  generator.read(prompt);
  std::fputs(argv[2], stdout);

  const ChoiceOptions choice{.temperature = 0.8, .top_k = 40};
  // Gives out whole characters only, and a blank before a word that follows another one.
  const bool blank = std::isspace(static_cast<unsigned char>(std::string(argv[2]).back())) != 0;
  TextStream text(&vocabulary, blank || prompt.empty() ? -1 : prompt.back());
  for (int i = 0; i < 300; ++i) {
    const double u = choice_uniform(/*seed=*/1, /*sample=*/0, /*position=*/i);
    const int32_t token = chosen_token(generator.logits(), choice, u);
    std::fputs(text.add(token).c_str(), stdout);
    std::fflush(stdout);
    generator.step(token);
  }
  std::printf("%s\n", text.finish().c_str());
} catch (const skiff::Error& e) {
  std::fprintf(stderr, "error: %s\n", e.what());
  return e.exit_code();
}
