// autograd/README.md: the numbers in it are those that the ops compute. A number there is in
// code type before its name, `(1, 2)` <!-- name -->; here is what computes it.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "examples/explain/worked_examples.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

Tensor complex_of(const std::vector<double>& parts, Shape shape) {
  Tensor z(shape, DType::Complex128);
  std::copy(parts.begin(), parts.end(), static_cast<double*>(z.raw()));
  return z;
}

struct Result {
  Tensor y;
  std::vector<Tensor> grads;
};
template <class F>
Result differentiate(const std::vector<Tensor>& inputs, const Tensor& gy, const F& f) {
  std::vector<Variable> leaves;
  for (const Tensor& x : inputs) leaves.push_back(Variable::leaf(x));
  Tape tape;
  const Variable y = f(leaves);
  tape.backward(y, gy);
  Result result{y.value(), {}};
  for (const Variable& v : leaves) result.grads.push_back(v.grad());
  return result;
}

std::string one(double v) {
  const std::string list = listed(values({v}, {1}));
  return list.substr(1, list.size() - 2);
}

std::map<std::string, std::string> computed() {
  using List = std::vector<Variable>;
  const Tensor x = values({1, -2, 0.5, 4}, {4, 1}), gy = values({1, 0, -1, 2}, {4, 1});
  std::map<std::string, std::string> all;

  const Tensor W = values({1, -2, 0.5, 4}, {2, 2}), v = values({3, 1}, {1, 2}),
               g = values({2, -1}, {1, 2});
  const Result matrix = differentiate({v}, g, [&](const List& in) { return linear(in[0], W); });
  all["matrix.gx"] = listed(matrix.grads[0]);
  double forward = 0, backward = 0;
  for (size_t i = 0; i < 2; ++i) {
    forward += to_vector(matrix.y)[i] * to_vector(g)[i];
    backward += to_vector(v)[i] * to_vector(matrix.grads[0])[i];
  }
  CHECK(forward == backward);
  all["matrix.adjoint"] = one(forward);

  const Result product =
      differentiate({complex_of({1, 2}, {1}), complex_of({3, -1}, {1})}, complex_of({1, 0}, {1}),
                    [](const List& in) { return complex_mul(in[0], in[1]); });
  all["complex.ga"] = listed(product.grads[0]);
  all["complex.gb"] = listed(product.grads[1]);

  const Result spectrum = differentiate({x}, complex_of({1, 0, -1, 2, 1, 0}, {3, 1}),
                                        [](const List& in) { return rfft(in[0], 4); });
  all["rfft.X"] = listed(spectrum.y);
  all["rfft.gx"] = listed(spectrum.grads[0]);
  all["irfft.gX"] = listed(
      differentiate({spectrum.y}, gy, [](const List& in) { return irfft(in[0], 4); }).grads[0]);

  const Result conv = differentiate({x, complex_of({2, 0, 1, -0.5, -1, 0}, {3, 1})}, gy,
                                    [](const List& in) { return spectral_conv(in[0], in[1], 4); });
  all["conv.y"] = listed(conv.y);
  all["conv.gx"] = listed(conv.grads[0]);
  all["conv.gS"] = listed(conv.grads[1]);

  const Result odd = differentiate(
      {values({1, -2, 0.5, 4, 0, -1}, {2, 3, 1}), complex_of({2, 3, 1, -0.5, -1, 1}, {3, 1})},
      values({1, 0, -1, 2, 1, 0}, {2, 3, 1}),
      [](const List& in) { return spectral_conv(in[0], in[1], 5); });
  all["odd.y"] = listed(odd.y);
  all["odd.gx"] = listed(odd.grads[0]);
  all["odd.gS"] = listed(odd.grads[1]);

  const Result toeplitz_result = differentiate(
      {values({1.5, -0.5, 0.25, 3, 0, 0.5, -1, 2}, {8, 1}), x}, gy,
      [](const List& in) { return toeplitz(in[0], in[1], Direction::Bidirectional); });
  const std::vector<double> gt = to_vector(toeplitz_result.grads[0]);
  all["toeplitz.gx"] = listed(toeplitz_result.grads[1]);
  all["toeplitz.gt"] = listed(values({gt[5], gt[6], gt[7], gt[0], gt[1], gt[2], gt[3]}, {7}));

  // A gated unit, and a kernel of one parameter, t[l] = theta 0.5^|l|.
  const Tensor u = values({1, 0.5, -1, 2}, {4, 1}), gated_gy = values({1, 2, -1, 2}, {4, 1});
  const Result unit = differentiate(
      {u, values({1.5, -0.5, 0.25, 3, 0, 0.5, -1, 2}, {8, 1}), x}, gated_gy,
      [](const List& in) { return in[0] * toeplitz(in[1], in[2], Direction::Bidirectional); });
  const std::vector<double> gk = to_vector(unit.grads[1]);
  all["gtu.y"] = listed(unit.y);
  all["gtu.gu"] = listed(unit.grads[0]);
  all["gtu.gt"] = listed(values({gk[5], gk[6], gk[7], gk[0], gk[1], gk[2], gk[3]}, {7}));
  all["gtu.gv"] = listed(unit.grads[2]);
  const Tensor decay = values({1, 0.5, 0.25, 0.125, 0, 0.125, 0.25, 0.5}, {8, 1});
  all["gtu.gtheta"] =
      one(to_vector(differentiate({values({1}, {1})}, unit.grads[1], [&](const List& in) {
                      return Variable(decay) * in[0];
                    }).grads[0])[0]);

  const Result causal = differentiate({x}, complex_of({1, 0, -1, 2, 1, -1, 2, 0}, {4, 1}),
                                      [](const List& in) { return hilbert(in[0], 6); });
  all["hilbert.A"] = listed(causal.y);
  all["hilbert.gR"] = listed(causal.grads[0]);

  const Result read =
      differentiate({x}, values({1, 0, -1, 2, 1, 0, -1}, {7, 1}), [](const List& in) {
        return interpolate(in[0], {7, 4});
      });
  all["interpolate.y"] = listed(read.y);
  all["interpolate.gs"] = listed(read.grads[0]);

  const Tensor row = x.reshape({1, 4});
  const Result norm = differentiate({row}, gy.reshape({1, 4}),
                                    [](const List& in) { return simple_rms_norm(in[0], 0); });
  all["norm.gx"] = listed(norm.grads[0]);
  double along = 0;
  for (size_t i = 0; i < 4; ++i) along += to_vector(norm.grads[0])[i] * to_vector(row)[i];
  all["norm.along"] = one(along);
  return all;
}

}  // namespace

TEST_CASE("autograd/README.md: every number is the one that the ops compute") {
  std::ifstream in("autograd/README.md");
  REQUIRE(in);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  std::map<std::string, std::string> expected = computed();
  const std::string open = "<!-- ", close = " -->";
  size_t found = 0;
  for (size_t at = 0; (at = text.find(open, at)) != std::string::npos; ++at, ++found) {
    const size_t begin = at + open.size();
    const std::string name = text.substr(begin, text.find(close, begin) - begin);
    CAPTURE(name);
    const size_t last = text.find_last_not_of(" \n", at - 1);  // the ` that ends the number
    REQUIRE(text[last] == '`');
    const size_t first = text.rfind('`', last - 1) + 1;
    const std::string shown = text.substr(first, last - first);
    REQUIRE(expected.contains(name));
    CHECK(shown == expected[name]);
  }
  CHECK(found == expected.size());
}

TEST_CASE("autograd/README.md: every file it links to exists") {
  std::ifstream in("autograd/README.md");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  size_t count = 0;
  for (size_t at = 0; (at = text.find("](", at)) != std::string::npos; ++at, ++count) {
    const std::string path = text.substr(at + 2, text.find(')', at) - at - 2);
    CAPTURE(path);
    CHECK(std::filesystem::exists("autograd/" + path));
  }
  CHECK(count > 20);
}
