// Measuring cases.
//
// The machine may be busy with other things. So cases take turns: each is measured once, then each
// again; a row has the median of its rounds and the quartiles. In a round a case runs once without
// being measured, then as often as fills 20 ms.
#pragma once

#include "examples/bench/cases.h"

namespace skiff::bench {

double quantile(std::vector<double> v, double q);  // the value below which the share q lies

struct Samples {
  std::vector<double> seconds, faults;  // per call, one per round
  int64_t calls = 0, peak_bytes = 0;    // calls of the last round; tensors made by a call
};

struct Row {
  const Case* what;
  Samples samples;
  double gemm = 0, copy = 0, fft = 0;  // seconds of the floor
  double median() const { return quantile(samples.seconds, 0.5); }
  double floor() const { return gemm + copy + fft; }
  double tokens_per_second() const { return double(what->n * what->batch) / median(); }
};

// Every case once per number of threads.
std::vector<Case> for_each_count(const std::vector<Case>& cases, const std::vector<int>& threads);

// Rounds until `repeats`, or until `seconds` have passed if that is not 0; progress goes to a
// terminal on standard error. The rows have floors.
std::vector<Row> measure(std::vector<Case>& cases, int64_t repeats, double seconds);

}  // namespace skiff::bench
