// Reads the pickles in torchvision's cifar-10-python.tar.gz and nothing else: protocol 2, a
// dictionary with the pixels as a NumPy array of bytes (or as one string) and the labels as a list.
// It knows the opcodes that these files use, builds plain values and calls nothing: a pickle that
// names another function is refused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace skiff {

struct PickledBatch {
  int64_t rows = 0, columns = 0;
  std::string_view data;  // rows * columns bytes, row-major; a part of the pickle
  std::vector<int64_t> labels;
};

// Throws DataError "<name>: at byte <offset>, opcode <opcode>: <reason>".
PickledBatch read_pickled_batch(std::string_view bytes, const std::string& name);

}  // namespace skiff
