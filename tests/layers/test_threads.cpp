// No bit of a result depends on the number of threads.
#include <omp.h>

#include <string>
#include <utility>
#include <vector>

#include "layers/mixers.h"
#include "layers/model.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

Tensor tokens(int64_t B, int64_t n, int64_t limit, uint64_t seed) {
  Random random(seed);
  Tensor x({B, n}, DType::Int32);
  for (int64_t i = 0; i < x.size(); ++i) x.data<int32_t>()[i] = int32_t(random.below(limit));
  return x;
}

class Threads {  // restores the number of threads
 public:
  ~Threads() { omp_set_num_threads(before_); }

 private:
  int before_ = omp_get_max_threads();
};

std::string bits(const std::vector<Tensor>& tensors) {
  std::string all;
  for (const Tensor& x : tensors) all.append(static_cast<const char*>(x.raw()), size_t(x.bytes()));
  return all;
}

// y = f(inputs) and the gradients of the inputs, for a random cotangent.
template <class F>
std::vector<Tensor> value_and_gradients(const std::vector<Tensor>& inputs, const F& f) {
  std::vector<Variable> leaves;
  for (const Tensor& x : inputs) leaves.push_back(Variable::leaf(x));
  Tape tape;
  const Variable y = f(leaves);
  tape.backward(y, random_normal(y.shape(), y.dtype(), 99));
  std::vector<Tensor> results = {y.value()};
  for (const Variable& v : leaves) results.push_back(v.grad());
  return results;
}

// Checks that 1, 2, 3 and 7 threads give the same bits.
template <class F>
void check_threads(const F& tensors) {
  const Threads restore;
  omp_set_num_threads(1);
  const std::string one = bits(tensors());
  for (const int threads : {2, 3, 7}) {
    CAPTURE(threads);
    omp_set_num_threads(threads);
    CHECK((bits(tensors()) == one));
    CHECK(omp_get_max_threads() == threads);
  }
}

}  // namespace

TEST_CASE("threads: a matrix product is the same for any number, and leaves the number alone") {
  struct Case {
    Shape x, W;
  };
  const std::vector<Case> cases = {{{7, 333, 37}, {41, 37}},
                                   {{3, 3001, 5}, {4, 5}},
                                   {{8, 17, 65}, {33, 65}},
                                   {{1100, 19}, {23, 19}}};
  for (const DType dtype : {DType::Float32, DType::Float64})
    for (const Case& c : cases) {
      CAPTURE(c.x);
      const std::vector<Tensor> inputs = {random_normal(c.x, dtype, 1),
                                          random_normal(c.W, dtype, 2),
                                          random_normal({c.W[0]}, dtype, 3)};
      check_threads([&] {
        return value_and_gradients(inputs, [](const auto& v) { return linear(v[0], v[1], v[2]); });
      });
    }
  const std::vector<Tensor> batched = {random_normal({9, 33, 37}, DType::Float32, 1),
                                       random_normal({9, 37, 41}, DType::Float32, 2)};
  check_threads([&] {
    return value_and_gradients(batched, [](const auto& v) { return matmul(v[0], v[1]); });
  });
}

TEST_CASE("threads: every elementwise op is the same for any number") {
  using List = std::vector<Variable>;
  struct Case {
    std::string name;
    Variable (*run)(const List& v);  // v = x, y (333, 37), b (37), all positive; and complex z, w
  };
  const std::vector<Case> cases = {
      {"add", [](const List& v) { return v[0] + v[1]; }},
      {"sub", [](const List& v) { return v[0] - v[2]; }},
      {"mul", [](const List& v) { return v[0] * v[1]; }},
      {"mul a suffix", [](const List& v) { return v[0] * v[2]; }},
      {"div", [](const List& v) { return v[0] / v[1]; }},
      {"div by a suffix", [](const List& v) { return v[0] / v[2]; }},
      {"scale", [](const List& v) { return 0.3 * v[0]; }},
      {"complex_mul", [](const List& v) { return complex_mul(v[3], v[4]); }},
      {"complex_mul by a suffix", [](const List& v) { return complex_mul(v[3], v[5]); }},
      {"to_complex", [](const List& v) { return to_complex(v[0], v[1]); }},
      {"relu", [](const List& v) { return relu(v[0] - v[1]); }},
      {"silu", [](const List& v) { return silu(v[0]); }},
      {"gelu", [](const List& v) { return gelu(v[0]); }},
      {"sigmoid", [](const List& v) { return sigmoid(v[0]); }},
      {"tanh", [](const List& v) { return tanh(v[0]); }},
      {"exp", [](const List& v) { return exp(v[0]); }},
      {"elu", [](const List& v) { return elu(v[0] - v[1]); }},
      {"dropout", [](const List& v) {
         return dropout(v[0], {0.3, 1, 2, 3});
       }}};
  for (const DType dtype : {DType::Float32, DType::Float64}) {
    std::vector<Tensor> inputs;
    for (const Shape& shape : {Shape{333, 37}, Shape{333, 37}, Shape{37}})
      inputs.push_back(exp(random_normal(shape, dtype, 1 + inputs.size())).value());
    for (const Shape& shape : {Shape{333, 37}, Shape{333, 37}, Shape{37}})
      inputs.push_back(random_normal(shape, complex_type(dtype), 1 + inputs.size()));
    for (const Case& c : cases) {
      CAPTURE(c.name);
      CAPTURE(std::string(name_of(dtype)));
      check_threads([&] {
        List leaves;
        for (const Tensor& x : inputs) leaves.push_back(Variable::leaf(x));
        Tape tape;
        const Variable y = c.run(leaves);
        tape.backward(y, random_normal(y.shape(), y.dtype(), 99));
        std::vector<Tensor> results = {y.value()};
        for (const Variable& v : leaves)
          if (v.grad()) results.push_back(v.grad());
        return results;
      });
    }
  }
}

TEST_CASE("threads: three steps of training are the same for any number, with every mixer") {
  ModelOptions options{.layers = 1,
                       .dim = 33,
                       .glu_expand = 1.07,
                       .dropout = 0.1,
                       .encoder_dropout = 0.1,
                       .kernel = {.gamma = 0.9, .rpe = {.width = 8, .layers = 1}},
                       .tno = {.network = TnoNetwork::Tnn},
                       .ski = {.inducing_points = 8, .filter = 5},
                       .attention = {.heads = 3}};
  std::vector<std::pair<std::string, int64_t>> cases = {{"fd", 4}};  // mixer, free points of fd
  for (const MixerEntry& entry : mixers()) cases.emplace_back(entry.name, 0);
  const Tensor ids = tokens(9, 65, 7, 1), labels = tokens(9, 1, 3, 2).reshape({9});
  const Tensor lengths = tensor_of(std::vector<int32_t>{65, 60, 55, 1, 65, 33, 2, 64, 65}, {9});
  for (size_t k = 0; k < cases.size(); ++k) {
    CAPTURE(k);
    options.mixer = cases[k].first;
    options.fd.points = cases[k].second;
    options.norm = k % 2 == 0 ? NormKind::Batch : NormKind::Layer;
    check_threads([&] {
      Parameters store(4);
      const Model model(store.root(), options, {.vocab = 7, .classes = 3, .max_length = 65});
      Adam optimizer(store, {.weight_decay = 0.1});
      for (uint64_t step = 0; step < 3; ++step) {
        store.zero_grad();
        store.set_step(step);
        Tape tape;
        tape.backward(cross_entropy(model(ids, lengths), labels));
        optimizer.step(0.01, clip_factor(gradient_norm(store), 1));
      }
      std::vector<Tensor> results;
      for (const Parameter& p : store.all()) results.push_back(p.variable.value());
      return results;
    });
  }
}
