// What bench measures: operators, layers, training steps, and the floors that they are compared
// with.
//
// What belongs in this folder: cases (one .cpp per kind), their measurement (measure.h), and what
// is printed of it (output.h); for a GPU, gpu_cases.h.
//
// A case is a name and a function to be timed. Its floor is the least that the hardware needs for
// the same work; every part of it is measured in the same run:
//   gemm   the multiplications of all matrix products, at the best rate that gemm reaches
//   copy   a copy of as many bytes: input to output, and on the way back gradient to gradient; for
//          layers and steps, of every output and gradient that an op makes
//   fft    FFTW's contiguous transforms of the batch, real to complex and back, once for the
//          forward and once more for the backward; nothing for the product, the kernel or a
//          transpose
// The floor "barrier" is part of none: it is the cost of one parallel loop, to be multiplied by
// their number.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "autograd/tape.h"
#include "core/tensor.h"

namespace skiff::bench {

// The step of a language model: a recipe of train_lm, and its windows.
struct LanguageSizes {
  std::string recipe = "small";
  int64_t length = 256, batch = 64;
};

struct Sizes {
  std::vector<int64_t> n = {512, 1024, 2048, 4096};
  int64_t batch = 8, dim = 128;
  int64_t length = 0;  // tokens of a step of a classifier; 0: the recipe's
  std::string recipe = "paper";
  LanguageSizes language = {};
};

struct Work {
  std::function<void()> run;
  double gemm_flops = 0, copied_bytes = 0;
  int64_t transforms = 0;  // pairs, of the whole batch
  int64_t parameters = 0;
};

struct Case {
  std::string kind, name, pass;  // "op", "tno", "train"
  int64_t n, batch, dim;
  // Allocates, so it is called only for cases that were chosen; empty: the case is too large.
  std::function<Work()> make;
  Work work = {};
  std::string recipe = {};  // of a step
  int threads = 0;          // while it is measured; 0: all
  std::string label() const { return kind + "/" + name + (pass.empty() ? "" : "/" + pass); }
};

void add_operators(std::vector<Case>& cases, const Sizes& s, int64_t n);  // operators.cpp
void add_layers(std::vector<Case>& cases, const Sizes& s, int64_t n);     // operators.cpp
void add_steps(std::vector<Case>& cases, const Sizes& s);                 // steps.cpp
void add_language_steps(std::vector<Case>& cases, const LanguageSizes& s);
void add_floors(std::vector<Case>& cases, const Sizes& s, bool quick);  // floors.cpp

// ---- for the files that add cases ----

// Random numbers; every call with the same shape returns the same tensor.
Tensor random_input(const Shape& shape, DType dtype = DType::Float32);
Tensor random_integers(const Shape& shape, int64_t first, int64_t last);

// Multiplications and additions of the matrix products of the ops on a tape.
double gemm_flops(const Tape& tape);

struct Counted {
  double gemm_flops = 0, forward_bytes = 0, backward_bytes = 0;
};
Counted count(const std::function<Variable()>& forward);

// Whether a training step of attention has at most 6e9 scores (4.8e9 took 12 s on two cores).
bool attention_ends_soon(int64_t batch, int64_t heads, int64_t n, int64_t layers);

}  // namespace skiff::bench
