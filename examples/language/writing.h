// What `generate` does with the text of a model: where it stops, what a terminal may show, and the
// comparison of the ways to compute it.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "data/language/vocabulary.h"
#include "layers/generation/choose.h"
#include "layers/generation/generator.h"

namespace skiff {

// Lets text through up to the stop string that ends first (of two that end together, the one that
// begins first), and holds back what may be the beginning of one.
// An occurrence may lie across pieces; the result does not depend on where a text is cut.
class StopStrings {
 public:
  explicit StopStrings(std::vector<std::string> stops);
  std::string add(const std::string& piece);  // what may be printed now
  std::string finish();                       // what was held back; empty once stopped
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

// Control characters but tab and line end as escapes ("\x1b"): a text must not steer a terminal.
std::string harmless(const std::string& text);

// --prompt, which may be FILE:name, or --prompt-file, which may be - for stdin. A byte order mark
// is left out of a file, as in training.
std::string prompt_text(const std::string& prompt, const std::string& file);

// How many words of a prompt are <unk>; "" if none is.
std::string note_of_unknown(const Vocabulary& vocabulary, const std::vector<int32_t>& prompt);

struct WritingOptions {
  bool after_prompt = false;  // no option: the text is printed behind a prompt without a blank
  int64_t tokens = 500;       // -1: endless
  uint64_t seed = 1;
  int64_t samples = 1;
  std::vector<std::string> stops = {};
  bool ignore_eos = false, raw = false;  // raw: bytes as they are, whole characters or not
  bool keep_first = true;  // the result has the first sample; false: memory does not grow with it
  ChoiceOptions choice = {};
};

struct WrittenSample {
  std::string text;             // without the prompt
  std::vector<int32_t> tokens;  // up to where it stopped
};
struct Timing {
  double prompt_seconds = 0, seconds = 0, longest = 0;  // of all steps; of the longest step
  int64_t prompt_tokens = 0, tokens = 0;                // tokens of all samples
};
struct Written {
  std::vector<WrittenSample> samples;
  Timing timing;
  bool interrupted = false;
};

// Tokens per second and the way they were written, and of `states` how wrong they can be; on
// stderr.
void print_speed(const Written& w, const Generator& g);

// Continues a prompt of at least one token. print(piece): the text of the first sample as it comes.
// goes_on: asked before every token.
Written write(Generator& generator, const Vocabulary& vocabulary,
              const std::vector<int32_t>& prompt, const WritingOptions& o,
              const std::function<void(const std::string&)>& print,
              const std::function<bool()>& goes_on);

// One way against the way that wrote a text, on the tokens of that text.
struct Compared {
  Method method;
  Timing timing;
  int64_t state_bytes = 0;
  int64_t same = 0;       // tokens from the start that it would have chosen, too
  double difference = 0;  // of logits, the largest, over the largest logit
  Generator::StatesError states_error;
};
// All ways that the model has; `say` gets the name of the one at work. Keeps the logits of all
// tokens in memory.
std::vector<Compared> compare_methods(LanguageModel* model, const GeneratorOptions& options,
                                      const std::vector<int32_t>& prompt,
                                      const std::vector<int32_t>& written,
                                      const WritingOptions& writing,
                                      const std::function<void(const std::string&)>& say);
// Seconds to read so many bytes once, on all threads: no way can be faster per token. 0 for none.
// (Ways that read the text again do not say how much they read.)
double seconds_to_read(int64_t bytes);
std::string table_of(const std::vector<Compared>& rows, int64_t written, double floor);
nlohmann::ordered_json json_of(const Compared& row);

}  // namespace skiff
