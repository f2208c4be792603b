#include "examples/bench/generation.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/random.h"
#include "examples/charts/charts.h"
#include "layers/parameters.h"

namespace skiff::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int64_t kVocab = 256;
constexpr double kSeconds = 0.5;  // of measuring one cost, at most about
constexpr int64_t kFewest = 5;    // tokens of one cost, at least

double since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

std::vector<int32_t> random_tokens(int64_t n) {
  Random random(1);
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < n; ++i) tokens.push_back(int32_t(random.below(kVocab)));
  return tokens;
}

double timed_step(Generator& g, int32_t token) {
  const auto start = SteadyClock::now();
  g.step(token);
  return since(start);
}

// Some tokens after a prompt, whose state costs the same at each.
TokenCost after_prompt(Generator& g, Method method, int64_t position,
                       const std::vector<int32_t>& text) {
  TokenCost cost{.method = method, .position = position};
  g.reset();
  g.read(std::span(text).first(size_t(position - 1)));
  g.step(text[0]);  // what is used for the first time
  double total = 0;
  while (cost.measured < kFewest || (total < kSeconds && cost.measured < position / 2)) {
    const double seconds = timed_step(g, text[size_t(cost.measured)]);
    total += seconds;
    cost.longest = std::max(cost.longest, seconds);
    cost.measured += 1;
  }
  cost.seconds = total / double(cost.measured);
  return cost;
}

// Every position of a text: from a half of each given one to it.
std::vector<TokenCost> along_text(Generator& g, Method method, const std::vector<int64_t>& ends,
                                  const std::vector<int32_t>& text) {
  std::vector<TokenCost> costs;
  g.reset();
  size_t e = 0;
  TokenCost cost{.method = method, .position = ends[0]};
  for (int64_t i = 0; e < ends.size(); ++i) {
    const double seconds = timed_step(g, text[size_t(i)]);
    if (i >= ends[e] / 2) {
      cost.seconds += seconds;
      cost.longest = std::max(cost.longest, seconds);
      cost.measured += 1;
    }
    if (i + 1 < ends[e]) continue;
    cost.seconds /= double(cost.measured);
    costs.push_back(cost);
    if (++e < ends.size()) cost = {.method = method, .position = ends[e]};
  }
  return costs;
}

// One pass over the whole text, as the naive way makes for each token.
TokenCost whole_text(LanguageModel& model, int64_t lags, int64_t position,
                     const std::vector<int32_t>& text) {
  TokenCost cost{.method = Method::Naive, .position = position, .measured = 1};
  Generator g(&model, {.method = Method::Naive, .lags = lags});
  const auto start = SteadyClock::now();
  g.read(std::span(text).first(size_t(position)));
  cost.seconds = cost.longest = since(start);
  return cost;
}

}  // namespace

std::vector<TokenCost> measure_generation(const GenerationSizes& sizes,
                                          const std::function<void(const std::string&)>& say) {
  const int64_t longest = *std::max_element(sizes.positions.begin(), sizes.positions.end());
  const std::vector<int32_t> text = random_tokens(longest);
  std::vector<TokenCost> costs;
  for (const char* mixer : {"tno", "ski"}) {
    ModelOptions o = language_model_options(mixer);
    o.dim = sizes.dim;
    o.layers = sizes.layers;
    o.kernel.gamma = 0.999;
    Parameters parameters(1);
    LanguageModel model(parameters.root(), o, {}, {.vocab = kVocab, .max_length = longest});
    parameters.set_training(false);
    std::vector<Method> methods = {Method::Prefix};
    if (std::string(mixer) == "tno")
      methods = {Method::Online, Method::States, Method::Dense, Method::Naive};
    for (const Method method : methods) {
      say(std::string("generation: ") + word_for(method));
      if (method == Method::Naive) {
        for (const int64_t p : sizes.positions)
          costs.push_back(whole_text(model, longest, p, text));
        continue;
      }
      Generator g(&model, {.method = method, .lags = longest});
      if (method == Method::Online) {
        for (const TokenCost& c : along_text(g, method, sizes.positions, text)) costs.push_back(c);
      } else {
        for (const int64_t p : sizes.positions) costs.push_back(after_prompt(g, method, p, text));
      }
    }
  }
  return costs;
}

std::string table_of(const std::vector<TokenCost>& costs) {
  char line[160];
  std::snprintf(line, sizeof line, "%-8s %9s %14s %14s %9s\n", "method", "position", "us per token",
                "longest, us", "tokens");
  std::string table = line;
  for (const TokenCost& c : costs) {
    std::snprintf(line, sizeof line, "%-8s %9lld %14.1f %14.1f %9lld\n", word_for(c.method),
                  (long long)c.position, 1e6 * c.seconds, 1e6 * c.longest, (long long)c.measured);
    table += line;
  }
  return table;
}

std::string json_line(const TokenCost& c) {
  return nlohmann::ordered_json{{"kind", "generation"},   {"name", word_for(c.method)},
                                {"position", c.position}, {"threads", omp_get_max_threads()},
                                {"mean_s", c.seconds},    {"longest_s", c.longest},
                                {"tokens", c.measured}}
      .dump();
}

std::string chart(const std::vector<TokenCost>& costs) {
  charts::Chart c{.title = "Time of a token, by position",
                  .x_label = "position",
                  .y_label = "ms",
                  .log_x = true,
                  .log_y = true,
                  .names_at_ends = true,
                  .width = 560,
                  .height = 420};
  for (const TokenCost& cost : costs) {
    const std::string name = word_for(cost.method);
    if (c.series.empty() || c.series.back().name != name)
      c.series.push_back({.name = name, .x = {}, .y = {}, .color = int(c.series.size() % 6)});
    c.series.back().x.push_back(double(cost.position));
    c.series.back().y.push_back(1e3 * cost.seconds);
  }
  return charts::file("time of a token by its position", {c});
}

}  // namespace skiff::bench
