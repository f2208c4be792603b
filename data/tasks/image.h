// Image: CIFAR-10 (Krizhevsky, 2009) as gray images of 32 x 32 pixels in 10 classes, by the S4
// protocol (state-spaces/s4, src/dataloaders/cifar.py), or by the original one of Tay et al. (2021;
// google-research/long-range-arena, lra_benchmarks/image). Reads the binary version and the python
// version, unpacked or in their archives.
#pragma once

#include <cstdint>
#include <string>

#include "data/tasks.h"

namespace skiff::image {

inline constexpr int64_t kSide = 32, kClasses = 10;
inline constexpr double kMean = 122.6 / 255, kDeviation = 61.0 / 255;
extern const char* const kClassNames[kClasses];

// Luma of ITU-R 601 as PIL computes it: (19595 R + 38470 G + 7471 B + 32768) / 65536, rounded down.
constexpr uint8_t gray_of(uint8_t red, uint8_t green, uint8_t blue) {
  return uint8_t((19595u * red + 38470u * green + 7471u * blue + 32768u) >> 16);
}

struct LoadOptions {
  // The original protocol: pixels are tokens, and validation is the last tenth of the training
  // images. (The S4 protocol: numbers, and a seeded tenth.) Gray is PIL's in both.
  bool original = false;
};

// The folder cifar-10-batches-bin or cifar-10-batches-py, or the archive cifar-10-binary.tar.gz or
// cifar-10-python.tar.gz, in `folder` or there in cifar, cifar10, image; "" if there is none.
// `folder` may also be that folder or archive itself.
std::string find(const std::string& folder);

// 45,000 / 5,000 / 10,000 examples; fewer batches are split in the same proportions, and the note
// of the data says so. Throws DataError with file, record and reason.
TaskData load(const std::string& folder, const LoadOptions& options = {});

// Reads every record, and goes on after a bad one.
TaskReport check_files(const std::string& folder);

Task task();  // its row in the table of tasks

}  // namespace skiff::image
