#include "layers/generation/choose.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/check.h"
#include "core/random.h"

namespace skiff {

std::vector<double> choice_probabilities(std::span<const double> logits, const ChoiceOptions& o) {
  const size_t V = logits.size();
  check(V >= 1, "choice of a token: there are no logits");
  for (size_t i = 0; i < V; ++i)
    check<NumericalError>(std::isfinite(logits[i]),
                          "the model's logits are not finite: that of token ", i, " is ",
                          logits[i]);
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> p(V, 0.0);
  if (o.temperature == 0) {
    p[size_t(std::find(logits.begin(), logits.end(), largest) - logits.begin())] = 1;
    return p;
  }
  std::vector<size_t> order(V);  // by falling probability
  std::iota(order.begin(), order.end(), size_t(0));
  size_t kept = o.top_k > 0 ? std::min(V, size_t(o.top_k)) : V;
  const bool nucleus = o.top_p > 0 && o.top_p < 1;
  if (kept < V || nucleus)
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  double sum = 0;
  for (size_t i = 0; i < kept; ++i)
    sum += p[order[i]] = std::exp((logits[order[i]] - largest) / o.temperature);
  for (size_t i = 0; i < kept; ++i) p[order[i]] /= sum;
  if (!nucleus) return p;
  size_t in_nucleus = 0;
  for (sum = 0; in_nucleus < kept && sum < o.top_p; ++in_nucleus) sum += p[order[in_nucleus]];
  for (size_t i = 0; i < kept; ++i) p[order[i]] = i < in_nucleus ? p[order[i]] / sum : 0;
  return p;
}

int32_t chosen_token(std::span<const double> logits, const ChoiceOptions& o, double u) {
  const std::vector<double> p = choice_probabilities(logits, o);
  double sum = 0;
  size_t last = 0;  // where rounding leaves the whole sum below u
  for (size_t id = 0; id < p.size(); ++id) {
    if (p[id] == 0) continue;
    last = id;
    if ((sum += p[id]) > u) break;
  }
  return int32_t(last);
}

double choice_uniform(uint64_t seed, int64_t sample, int64_t position) {
  Random random(seed, hash_name("sample") + uint64_t(sample));
  random.set_position(2 * uint64_t(position));  // a number takes two of 32 bits
  return random.uniform();
}

}  // namespace skiff
