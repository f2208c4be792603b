// Reads the pickles of CIFAR-10's python version and nothing else: a dictionary with the pixels as
// a NumPy array of bytes (or as a string) and the labels as a list. It knows the opcodes that such
// files use, protocols 0 to 3, builds plain values and calls nothing: a pickle that names another
// function is refused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace skiff {

struct PickledBatch {
  int64_t rows = 0, columns = 0;
  std::string data;  // rows * columns bytes, row-major
  std::vector<int64_t> labels;
};

// Throws DataError "<name>: at byte <offset>, opcode <opcode>: <reason>".
PickledBatch read_pickled_batch(std::string_view bytes, const std::string& name);

}  // namespace skiff
