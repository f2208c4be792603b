// Fits a curve: two linear layers learn y = sin(3 x) from 64 points. The smallest program that
// trains; minimal_listops.cpp is the next one to read.
// Run:     build/cpu/minimal_regression
// Expect:  a mean squared error of about 0.0001 after 1000 steps, in less than a second
#include <cmath>
#include <cstdio>

#include "examples/skiff.h"

using namespace skiff;

int main() {
  const int64_t points = 64, width = 32;
  std::vector<double> xs, ys;
  for (int64_t i = 0; i < points; ++i) {
    xs.push_back(2 * double(i) / double(points - 1) - 1);  // from -1 to 1
    ys.push_back(std::sin(3 * xs.back()));
  }
  const Tensor x = tensor_of(xs, {points, 1}, DType::Float32);
  const Tensor y = tensor_of(ys, {points, 1}, DType::Float32);

  Parameters params(/*seed=*/1);
  const Linear hidden(params.root() / "hidden", 1, width);
  const Linear output(params.root() / "output", width, 1);
  Adam optimizer(params, {});

  for (int step = 0; step <= 1000; ++step) {
    params.zero_grad();
    Tape tape;  // records until the end of this scope
    const Variable error = output(tanh(hidden(x))) - y;
    const Variable loss = mean(error * error);
    tape.backward(loss);  // consumes the tape
    optimizer.step(/*lr=*/0.01);
    if (step % 100 == 0) std::printf("step %4d | loss %.6f\n", step, item(loss));
  }
}
