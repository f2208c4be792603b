// Generator: a causal language model that reads a text and gives, after every token, the logits of
// the next one. One kernel per layer is fixed before the first token.
//
//   Generator generator(model.get(), {.method = Method::Auto});
//   generator.read(prompt);
//   for (..) {
//     const int32_t next = chosen_token(generator.logits(), choice, choice_uniform(seed, 0, i));
//     generator.step({next});
//   }
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/options.h"
#include "layers/generation/causal_sum.h"
#include "layers/language_model.h"

namespace skiff {

// How the sums over earlier positions are computed (causal_sum.h). Naive: the whole text is read
// again for every token; the only way of a model without has_kernels() (stream.h), as attention.
enum class Method { Auto, Naive, Dense, Online, States, Prefix };
std::span<const Word<Method>> words_of(Method);

struct GeneratorOptions {
  Method method = Method::Auto;
  int64_t lags = 0;         // of the kernels, or the window of attention; 0: those of training
  int64_t states = 16;      // Method::States: per channel
  int64_t exact_lags = 32;  // Method::States: lags that are summed as they are
  OnlineOptions online = {};

  static constexpr const char* kTitle = "Method";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "method",
           .help = "How sums over earlier positions are computed; auto: in the way with the fewest "
                   "operations. All but states are exact"},
          o.method);
    field({.name = "context",
           .help = "Lags of the kernels, or the window of attention; 0: as in training",
           .low = 0,
           .high = 1e8},
          o.lags);
    field({.name = "states", .help = "states: states per channel", .low = 0, .high = 512},
          o.states);
    field({.name = "exact-lags",
           .help = "states: lags that are summed as they are",
           .low = 0,
           .high = 65536},
          o.exact_lags);
  }
};

class Generator {
 public:
  // Keeps the pointer. UsageError for a model that is not causal, for Method::Prefix without ski,
  // and for any method but Auto and Naive of a model without has_kernels() (stream.h): attention,
  // sinusoids, --tno-normalize.
  Generator(LanguageModel* model, const GeneratorOptions& o = {});
  ~Generator();

  Method method() const;  // never Auto
  int64_t lags() const;
  int64_t samples() const;
  int64_t position() const;  // tokens so far, per sample

  void reset();                                // one sample that has read nothing
  void read(std::span<const int32_t> tokens);  // by one sample; at least one token
  void split(int64_t samples);                 // one sample becomes several that have read the same
  void step(std::span<const int32_t> tokens);  // the next token of each sample
  void step(int32_t token) { step(std::span<const int32_t>(&token, 1)); }
  // Of the token that follows, (vocab). There must be one token at least.
  std::span<const double> logits(int64_t sample = 0) const;

  int64_t state_bytes() const;   // what the samples keep of the text
  int64_t weight_bytes() const;  // that a token reads
  // Method::States: the largest error of an output per largest input, over layers and channels,
  // and relative to the sum of |t| of its channel.
  struct StatesError {
    double absolute = 0, relative = 0;
  };
  StatesError states_error() const;

 private:
  struct Way;
  template <class T>
  struct TokenWay;
  struct NaiveWay;
  std::unique_ptr<Way> way_;
};

}  // namespace skiff
