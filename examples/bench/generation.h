// What a token costs while a text is written, by its position, for every way of generation.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "layers/generation/generator.h"

namespace skiff::bench {

struct GenerationSizes {
  int64_t dim = 128, layers = 4;  // the unit that mixes positions is 3 dim wide
  std::vector<int64_t> positions = {256, 1024, 4096, 16384, 65536};
};

struct TokenCost {
  Method method;
  int64_t position;
  double seconds = 0;  // of a token, the mean of those measured
  double longest = 0;  // of one token
  int64_t measured = 0;
};

// Kernels have as many lags as the last position. Online: all positions from a half of the given
// one on, since its tiles differ; others: some tokens after a prompt of that length.
std::vector<TokenCost> measure_generation(const GenerationSizes& sizes,
                                          const std::function<void(const std::string&)>& say);
std::string table_of(const std::vector<TokenCost>& costs);
std::string json_line(const TokenCost& cost);
std::string chart(const std::vector<TokenCost>& costs);  // SVG: time per token against the position

}  // namespace skiff::bench
