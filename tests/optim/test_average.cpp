// The average of the weights, and groups of parameters with a rate of their own.
#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "optim/adam.h"
#include "optim/average.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

struct Two {
  Parameters store{1, DType::Float64};
  Variable a, b;
  Two() {
    a = store.root().parameter("a", {3}, normal(1));
    b = store.root().parameter("toep.b", {2}, normal(1));
  }
  void backward() {
    store.zero_grad();
    Tape tape;
    tape.backward(sum(a * a * a) + sum(b * b * b));
  }
};

void set(const Variable& v, double value) {
  Tensor t = v.value();
  std::fill_n(t.data<double>(), t.size(), value);
}

}  // namespace

TEST_CASE("average: follows its formula, exchanges places with the weights and comes back") {
  Two two;
  Average average(two.store, 0.5);
  set(two.a, 1);
  average.restart();
  double expected = 1;
  for (int t = 0; t < 9; ++t) {
    set(two.a, 2.0 + t);
    average.update();
    const double d = std::min(0.5, (1.0 + t) / (10.0 + t));
    expected += (1 - d) * (2.0 + t - expected);
  }
  average.swap();
  CHECK(to_vector(two.a.value())[2] == doctest::Approx(expected).epsilon(1e-14));
  average.swap();
  CHECK(to_vector(two.a.value())[2] == 10);
}

TEST_CASE("average: a constant stays what it is, bit for bit") {
  Two two;
  Average average(two.store, 0.999);
  set(two.a, 0.1);
  average.restart();
  for (int t = 0; t < 50; ++t) average.update();
  average.swap();
  CHECK(to_vector(two.a.value())[0] == 0.1);
}

TEST_CASE("average: its state goes on where it was, and another model's is refused") {
  Two first, second;
  Average one(first.store, 0.9), other(second.store, 0.9);
  one.restart();
  for (int t = 0; t < 3; ++t) set(first.a, t), one.update();
  safetensors::File file;
  file.tensors = one.state();
  for (safetensors::Entry& e : file.tensors) e.tensor = e.tensor.clone();
  other.load(file);
  CHECK(other.steps() == 3);
  for (const auto& [average, two] : {std::pair{&one, &first}, {&other, &second}}) {
    set(two->a, 7);
    average->update();
    average->swap();
  }
  CHECK((to_vector(first.a.value()) == to_vector(second.a.value())));
  file.tensors.erase(file.tensors.begin());
  CHECK(contains(message_of([&] { other.load(file); }), "'optimizer.average.a' is missing"));
  CHECK(contains(message_of([&] { Average(first.store, 1); }), "must lie in [0, 1)"));
}

TEST_CASE("optim: a group with a rate of its own takes steps of that size, with its own decay") {
  const auto rate = [](const Parameter& p) { return p.name == "toep.b" ? 0.25 : 1.0; };
  const auto decays = [](const Parameter& p) { return p.name == "a"; };
  const auto first_step = [&](double lr, const auto& rates, double decay, const auto& which) {
    Two two;
    Adam adam(two.store, {.weight_decay = decay, .decays = which, .rate = rates});
    two.backward();
    adam.step(lr);
    return std::pair(to_vector(two.a.value()), to_vector(two.b.value()));
  };
  const std::function<double(const Parameter&)> same = {};
  const std::function<bool(const Parameter&)> all = {};
  const auto grouped = first_step(0.1, rate, 0.5, decays);
  CHECK((grouped.first == first_step(0.1, same, 0.5, all).first));
  CHECK((grouped.second == first_step(0.025, same, 0, all).second));

  Two fast, slow;
  Sgd with(fast.store, {.rate = rate}), without(slow.store, {});
  fast.backward(), slow.backward();
  with.step(0.1), without.step(0.025);
  CHECK((to_vector(fast.b.value()) == to_vector(slow.b.value())));
  CHECK_FALSE((to_vector(fast.a.value()) == to_vector(slow.a.value())));
}
