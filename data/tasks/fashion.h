// Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017): gray images of 28 x 28 pixels in 10 classes. Not
// a task of the Long Range Arena, but real images that Debian packages: dataset-fashion-mnist.
// Reads the four IDX files, plain or gzipped.
#pragma once

#include <cstdint>
#include <string>

#include "data/tasks.h"

namespace skiff::fashion {

inline constexpr int64_t kSide = 28, kClasses = 10;
inline constexpr double kMean = 0.2860, kDeviation = 0.3530;  // of the 60,000 training images
inline constexpr const char* kSystemFolder = "/usr/share/datasets/fashion-mnist";
extern const char* const kClassNames[kClasses];

// The folder that holds train-images-idx3-ubyte, with or without .gz: `folder` or there
// fashion-mnist, fashion_mnist, fashion or FashionMNIST/raw; "" if there is none.
std::string find(const std::string& folder);

// 55,000 / 5,000 / 10,000 examples; validation is 5,000 of the training images by random_split with
// seed 42 (of a smaller set a twelfth, and the note of the data says so). Without files in `folder`
// those of the Debian package are read. Throws DataError with file, record and reason.
TaskData load(const std::string& folder);

// Looks into `folder` alone, reads every record and goes on after a bad one.
TaskReport check_files(const std::string& folder);

Task task();  // its row in the table of tasks

}  // namespace skiff::fashion
