// Schedules against their check values, optimizers on a small problem, gradients that are scaled or
// clipped.
#include "optim/adam.h"
#include "optim/clip.h"
#include "optim/schedule.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

TEST_CASE("schedule: the unclamped cosine of the published recipes rises again after its horizon") {
  const Schedule listops{ScheduleKind::CosineUnclamped, 1000, 50000};
  CHECK(listops(0) == 0);
  CHECK(listops(500) == 0.5);
  CHECK(listops(1000) == 1);
  CHECK(listops(25500) == doctest::Approx(0.5));
  CHECK(std::abs(listops(50000)) < 1e-15);
  CHECK(listops(60000) == doctest::Approx(0.099293).epsilon(1e-5));
  CHECK(listops(99000) == doctest::Approx(1));
  const Schedule image{ScheduleKind::CosineUnclamped, 30000, 50000};
  CHECK(image(40000) == doctest::Approx(0.5));
  CHECK(std::abs(image(50000)) < 1e-15);
  CHECK(image(70000) == doctest::Approx(1));
  CHECK(std::abs(image(90000)) < 1e-15);
}

TEST_CASE("schedule: clamped cosine, constant, inverse square root") {
  const Schedule cosine{ScheduleKind::Cosine, 10, 110};
  CHECK(cosine(5) == 0.5);
  CHECK(cosine(60) == doctest::Approx(0.5));
  CHECK(cosine(110) == 0);
  CHECK(cosine(200) == 0);
  CHECK(Schedule{ScheduleKind::Constant, 4, 1}(2) == 0.5);
  CHECK(Schedule{ScheduleKind::Constant, 4, 1}(99) == 1);
  const Schedule root{ScheduleKind::InverseSqrt, 4000, 1};
  CHECK(root(2000) == 0.5);
  CHECK(root(4000) == 1);
  CHECK(root(16000) == doctest::Approx(0.5));
  CHECK(Schedule{ScheduleKind::InverseSqrt, 0, 1}(0) == 1);
  CHECK(value_for<ScheduleKind>("schedule", "inverse_sqrt") == ScheduleKind::InverseSqrt);
  CHECK(contains(message_of([] { value_for<ScheduleKind>("schedule", "cosin"); }), "got 'cosin'"));
}

TEST_CASE("schedule: the published rates of the causal language model, from their first step on") {
  const double lr = 5e-4;
  const Schedule s{.kind = ScheduleKind::InverseSqrt, .warmup = 4000, .start = 1e-7 / lr};
  const std::vector<std::pair<int64_t, double>> rates = {
      {0, 1e-7}, {2000, 2.5005e-4}, {4000, 5e-4}, {16000, 2.5e-4}, {50000, 1.41421356e-4}};
  for (const auto& [step, rate] : rates) CHECK(lr * s(step) == doctest::Approx(rate).epsilon(1e-8));
}

TEST_CASE("schedule: the published line to 0 of the masked model, other powers, a floor") {
  const Schedule line{.kind = ScheduleKind::Polynomial, .warmup = 3000, .horizon = 50000};
  CHECK(5e-4 * line(1500) == doctest::Approx(2.5e-4));
  CHECK(line(3000) == 1);
  CHECK(5e-4 * line(26500) == doctest::Approx(2.5e-4));
  CHECK(line(50000) == 0);
  CHECK(line(60000) == 0);
  const Schedule square{.kind = ScheduleKind::Polynomial, .horizon = 100, .floor = 0.2, .power = 2};
  CHECK(square(0) == 1);
  CHECK(square(50) == doctest::Approx(0.2 + 0.8 * 0.25));
  CHECK(square(100) == 0.2);
}

TEST_CASE("schedule: a cosine with a floor falls to that share of the rate, and stays there") {
  const Schedule s{.kind = ScheduleKind::Cosine, .warmup = 10, .horizon = 110, .floor = 0.1};
  CHECK(s(5) == 0.5);
  CHECK(s(10) == 1);
  CHECK(s(60) == doctest::Approx(0.55));
  CHECK(s(109) > 0.1);
  CHECK(s(110) == 0.1);
  CHECK(s(500) == 0.1);
}

TEST_CASE("clip: the global norm, and the factor that brings it to the limit") {
  Parameters store(1, DType::Float64);
  const Variable a = store.root().parameter("a", {2}, constant(1)),
                 b = store.root().parameter("b", {1}, constant(1));
  const Variable unused = store.root().parameter("unused", {3}, constant(1));
  {
    Tape tape;
    const Variable loss = sum(values({3, 0}, {2}) * a) + sum(4.0 * b);
    tape.backward(loss);
  }
  CHECK(gradient_norm(store) == doctest::Approx(5));
  CHECK(clip_factor(5, 1) == doctest::Approx(0.2));
  CHECK(clip_factor(5, 10) == 1);
  CHECK(clip_factor(5, 0) == 1);
  Sgd sgd(store, {});
  sgd.step(1, 0.2);
  CHECK(distance(a.value(), std::vector<double>{1 - 0.6, 1}) < 1e-15);
  CHECK(to_vector(unused.value()) == std::vector<double>{1, 1, 1});
}

TEST_CASE("optimizers: a step between forward and backward is found by a tape that looks for it") {
  Parameters store(1);
  const Variable w = store.root().parameter("w", {2}, normal(1));
  Adam adam(store, {});
  Sgd sgd(store, {});
  const auto train = [&](const std::function<void()>& in_between) {
    Tape tape;
    tape.check_unchanged();
    const Variable loss = sum(exp(w));
    in_between();
    return message_of([&] { tape.backward(loss); });
  };
  const std::string found = "exp: input 0, float32 (2), has changed between forward and backward";
  CHECK(train([] {}) == "");  // and w has a gradient
  CHECK(contains(train([&] { adam.step(0.1); }), found));
  CHECK(contains(train([&] { sgd.step(0.1); }), found));
}

TEST_CASE("adam: stopping and loading its state changes nothing") {
  const auto train = [](Parameters& store, Adam& adam, const Variable& w, int steps) {
    for (int i = 0; i < steps; ++i) {
      store.zero_grad();
      Tape tape;
      tape.backward(sum(w * w) + sum(sigmoid(w)));
      adam.step(0.1);
    }
  };
  Parameters a(1), b(1);
  const Variable wa = a.root().parameter("w", {5}, normal(1)),
                 wb = b.root().parameter("w", {5}, normal(1));
  Adam adam_a(a, {.weight_decay = 0.1}), adam_b(b, {.weight_decay = 0.1});
  train(a, adam_a, wa, 10);
  train(b, adam_b, wb, 4);
  Parameters c(9);
  const Variable wc = c.root().parameter("w", {5}, normal(1));
  Adam adam_c(c, {.weight_decay = 0.1});
  safetensors::File file;
  file.path = "state";
  for (const auto& e : b.values()) file.tensors.push_back({e.name, e.tensor.clone()});
  for (const auto& e : adam_b.state()) file.tensors.push_back({e.name, e.tensor.clone()});
  c.load(file, {"optimizer."});
  adam_c.load(file);
  CHECK(adam_c.steps() == 4);
  train(c, adam_c, wc, 6);
  CHECK(to_vector(wc.value()) == to_vector(wa.value()));
  file.tensors.pop_back();
  CHECK(contains(message_of([&] { adam_c.load(file); }), "optimizer.steps"));
}

namespace {
// w after three steps on different gradients, each multiplied by s before the step or by the step.
template <class Optimizer, class Options>
std::vector<double> trained(const Options& options, double s, bool in_the_step) {
  Parameters store(1, DType::Float64);
  const Variable w = store.root().parameter("w", {5}, normal(1));
  Optimizer optimizer(store, options);
  for (uint64_t step = 0; step < 3; ++step) {
    store.zero_grad();
    Tape tape;
    const Tensor gradient = random64({5}, 10 + step);
    tape.backward(sum((in_the_step ? 1 : s) * (Variable(gradient) * w)));
    optimizer.step(0.1, in_the_step && step < 2 ? s : 1);
    if (!in_the_step && step == 1) s = 1;  // the last step is a plain one for both
  }
  return to_vector(w.value());
}
}  // namespace

TEST_CASE("optimizers: a gradient scale is a scale of gradients, not of the weight decay") {
  for (const bool decoupled : {true, false})
    for (const double eps : {1e-8, 0.3}) {  // Adam forgets a scale but for eps and later steps
      CAPTURE(decoupled);
      const AdamOptions options{.eps = eps, .weight_decay = 0.5, .decoupled = decoupled};
      const std::vector<double> want = trained<Adam>(options, 0.2, false);
      CHECK(distance(trained<Adam>(options, 0.2, true), want) < 1e-14);
      CHECK(distance(trained<Adam>(options, 1, true), want) > 1e-3);
    }
  const SgdOptions options{.momentum = 0.9, .weight_decay = 0.5};
  CHECK(distance(trained<Sgd>(options, 0.2, true), trained<Sgd>(options, 0.2, false)) < 1e-14);
}

TEST_CASE(
    "adam: weight decay acts on the parameters that `decays` names, and changes no other step") {
  for (const bool decoupled : {true, false}) {
    CAPTURE(decoupled);
    const auto after = [&](double weight_decay, bool alone) {
      Parameters store(1, DType::Float64);
      const Variable a = store.root().parameter("a", {3}, constant(1)),
                     b = store.root().parameter("b", {3}, constant(1));
      AdamOptions options{.weight_decay = weight_decay, .decoupled = decoupled};
      if (alone) options.decays = [](const Parameter& p) { return p.name == "a"; };
      Adam adam(store, options);
      for (int step = 0; step < 3; ++step) {
        store.zero_grad();
        Tape tape;
        tape.backward(sum(Variable(random64({3}, uint64_t(step))) * (a + b)));
        adam.step(0.1);
      }
      return std::pair{to_vector(a.value()), to_vector(b.value())};
    };
    const auto none = after(0, false), all = after(0.5, false), first = after(0.5, true);
    CHECK((first.first == all.first));
    CHECK((first.second == none.second));
    CHECK((all.second != none.second));
  }
}

TEST_CASE("clip: the norm of a gradient takes in every element of every block") {
  for (const int64_t n : {16383, 16384, 16385, 40000}) {
    CAPTURE(n);
    Parameters store(1, DType::Float64);
    const Variable w = store.root().parameter("w", {n}, constant(1));
    const Tensor gradient = random64({n}, 1);
    {
      Tape tape;
      tape.backward(sum(Variable(gradient) * w));
    }
    double squares = 0;
    for (const double g : to_vector(gradient)) squares += g * g;
    CHECK(std::abs(gradient_norm(store) / std::sqrt(squares) - 1) < 1e-12);
  }
}
