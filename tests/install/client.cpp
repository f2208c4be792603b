// A program of somebody else, compiled against an installation: it adds an op of its own to the
// table, checks all ops, and trains. It prints how many ops there were besides its own.
#include <skiff/skiff.h>

#include <cstdio>

using namespace skiff;

template <class T>
void cubes(const Tensor& x, Tensor y) {
  const T* from = x.data<T>();
  T* to = y.data<T>();
  parallel_for(x.device(), x.size(),
               [=] SKIFF_KERNEL(int64_t i) { to[i] = from[i] * from[i] * from[i]; });
}

struct Cube {
  static constexpr auto name = "cube";
  Tensor x;  // saved
  Tensor forward(const Tensor& input) {
    x = input;
    Tensor y(x.shape(), x.dtype(), x.device());
    dispatch(x, [&]<class T> { cubes<T>(x, y); });
    return y;
  }
  Grads backward(const Tensor& gy, Needs) const {  // gx = 3 x^2 gy
    const Variable square = Variable(x) * Variable(x);
    return {(scale(square, 3) * Variable(gy)).value()};
  }
  static std::vector<Sample<Cube>> samples() { return {{"a matrix", {}, {randn({3, 5})}}}; }
};
Variable cube(const Variable& x) { return apply(Cube{}, x); }

int main() {
  size_t others = 0;
  for (const OpEntry& op : op_table()) {
    const GradcheckResult result = gradcheck(op);
    check(result.passed, op.name, ": ", result.worst);
    others += op.name != "cube";
  }
  Parameters params(/*seed=*/1);
  const Linear layer(params.root(), 4, 4);
  Adam optimizer(params, {});
  Average average(params, 0.9);
  const Tensor x = random_normal({16, 4}, DType::Float32, 1, 0);
  double first = 0, last = 0;
  for (int step = 0; step < 20; ++step) {
    params.zero_grad();
    Tape tape;
    const Variable loss = mean(cube(layer(x)) * cube(layer(x)));
    tape.backward(loss);
    optimizer.step(0.05);
    average.update();
    (step == 0 ? first : last) = item(loss);
  }
  check(last < first / 2, "training: the loss must halve, got ", first, " and then ", last);
  average.swap();
  check(average.steps() == 20, "the average must have seen 20 steps, got ", average.steps());
  check(words_of(Method::Auto).size() == 6, "a generator must have six ways");
  try {
    check<DataError>(false, "thrown here");
  } catch (const Error& error) {  // type information is shared with the library
    check(error.exit_code() == 3, "exit_code must be 3");
  }
  std::printf("version %s, %zu ops and one of mine\n", kVersion, others);
}
