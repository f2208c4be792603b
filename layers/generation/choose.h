// Choosing the next token from logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/options.h"

namespace skiff {

struct ChoiceOptions {
  double temperature = 0.8;
  int64_t top_k = 0;
  double top_p = 1;

  static constexpr const char* kTitle = "Choice of tokens";
  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "temperature",
           .help = "Logits are divided by it before a token is drawn; 0: the most probable token",
           .low = 0,
           .high = 100},
          o.temperature);
    field({.name = "top-k",
           .help = "Draw among this many most probable tokens; 0: all",
           .low = 0,
           .high = 1e9},
          o.top_k);
    field(
        {.name = "top-p",
         .help =
             "Draw among the most probable tokens that together have this probability; 0 or 1: all",
         .low = 0,
         .high = 1},
        o.top_p);
  }
};

// The probabilities that a token is drawn from, in this order: logits / temperature; the top_k
// largest (of equals the smaller ids); softmax; the shortest beginning of the tokens by falling
// probability (of equals the smaller ids) whose sum reaches top_p, at least one; normalised.
// Temperature 0: 1 for the largest logit, of equals the smallest id. NumericalError for logits that
// are not finite.
std::vector<double> choice_probabilities(std::span<const double> logits, const ChoiceOptions& o);

// The first id, ascending, at which the sum of the probabilities exceeds u in [0, 1).
int32_t chosen_token(std::span<const double> logits, const ChoiceOptions& o, double u);

// u of one place of one text: a function of its arguments alone, whatever else is drawn.
double choice_uniform(uint64_t seed, int64_t sample, int64_t position);

}  // namespace skiff
