// forgetting(): the gradients of g(f(x)), without the memory of f(x) in between.
#include "autograd/ops.h"
#include "autograd/recompute.h"
#include "core/memory.h"
#include "layers/blocks/gtu.h"
#include "layers/model.h"
#include "layers/operators/tno.h"
#include "layers/units/norm.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

struct Trained {
  std::vector<double> gradients;
  int64_t kept;  // bytes between forward and backward
};

// y = silu(x W^T) W, with or without keeping silu(..) of n rows.
Trained train(bool forget, int64_t n) {
  const Variable x = Variable::leaf(random64({n, 8}, 1)), w = Variable::leaf(random64({8, 8}, 2));
  const int64_t before = memory::stats(Device::CPU).live;
  Tape tape;
  tape.check_unchanged();
  const Variable loss = [&] {
    const Variable a = matmul(x, w);
    Remade h = {silu(a)};
    if (forget) h.make_again = [a = a.value()] { return silu(Variable(a)).value(); };
    return sum(forgetting(h, [&](const Variable& v) { return matmul(v, w); }));
  }();
  const int64_t kept = memory::stats(Device::CPU).live - before;
  tape.backward(loss);
  std::vector<double> gradients = to_vector(x.grad());
  for (const double g : to_vector(w.grad())) gradients.push_back(g);
  return {gradients, kept};
}

}  // namespace

TEST_CASE("forgetting: the same gradients, less memory between forward and backward") {
  for (const int64_t n : {1, 2, 7, 64}) {
    const Trained kept = train(false, n), forgotten = train(true, n);
    CHECK(kept.gradients == forgotten.gradients);
    CHECK(forgotten.kept < kept.kept);
  }
  // At 4096 rows, exactly one tensor of them is missing.
  CHECK(train(false, 4096).kept - train(true, 4096).kept == 4096 * 8 * 8);
}

TEST_CASE("forgetting: a forgotten value cannot be read until the backward has made it again") {
  const Variable x = Variable::leaf(random64({3, 4}, 1));
  Tape tape;
  const Remade h = {silu(x), [&] { return silu(Variable(x.value())).value(); }};
  const std::vector<double> value = to_vector(h.value.value());
  const Variable loss = sum(forgetting(h, [](const Variable& v) { return v * v; }));
  CHECK_THROWS_WITH_AS(to_vector(h.value.value()),
                       "tensor: float64 (3, 4) is read while its memory is given back", Error);
  CHECK_THROWS_WITH_AS(sum(h.value), doctest::Contains("memory is given back"), Error);
  tape.backward(loss);
  CHECK(to_vector(h.value.value()) == value);
}

TEST_CASE("forgetting: a product that reads a forgotten value says so whatever its threads") {
  const Variable x = Variable::leaf(random64({600, 3}, 1));
  const Variable W(random64({2, 3}, 2)), b(random64({2}, 3)), long_b(random64({600}, 4));
  Tape tape;
  const Remade h = {silu(x), [&] { return silu(Variable(x.value())).value(); }};
  const Variable kept = forgetting(h, [](const Variable& v) { return v * v; });
  const auto refused = [](const auto& product) {
    CHECK_THROWS_WITH_AS(product(), doctest::Contains("memory is given back"), Error);
  };
  refused([&] { linear(h.value, W, b); });
  refused([&] { linear(Variable(x.value()), h.value, long_b); });
  refused([&] { gated_linear(h.value, x, W, b, {}); });
  refused([&] { gated_linear(x, h.value, W, b, {}); });
  refused([&] { gated_linear(x, x, h.value, long_b, {}); });
  const Variable W3(random64({2, 600}, 5));
  refused([&] { gated_linear_unit(x, {h.value, long_b, h.value, long_b, W3, b}, {}); });
  const Tensor labels = tensor_of(std::vector<int32_t>(600, 1), {600});
  refused([&] { linear_cross_entropy(x, h.value, {}, labels); });
}

TEST_CASE("forgetting: ski of short and of long sequences says that a value is forgotten") {
  for (const int64_t n : {20, 200}) {
    const Variable x = Variable::leaf(random64({2, n, 4}, 1));
    Tape tape;
    const Remade h = {silu(x), [&] { return silu(Variable(x.value())).value(); }};
    const Variable kept = forgetting(h, [](const Variable& v) { return v * v; });
    const Variable c(random64({3, 4}, 2)), k(random64({8, 4}, 3));
    CHECK_THROWS_WITH_AS(ski(h.value, c, k), doctest::Contains("memory is given back"), Error);
  }
}

TEST_CASE("forgetting: what is not recorded, not to be made again, or handed on is kept") {
  const Variable x = Variable::leaf(random64({5}, 1)), constant = Variable(x.value());
  const auto square = [](const Variable& v) { return v * v; };
  const auto made = [&](const Variable& v) {
    return Remade{silu(v), [v = v.value()] { return silu(Variable(v)).value(); }};
  };
  const Remade outside = made(x);
  forgetting(outside, square);  // no tape
  to_vector(outside.value.value());
  Tape tape;
  const Remade of_constant = made(constant), without = {silu(x)}, handed_on = made(x);
  forgetting(of_constant, square);
  forgetting(without, square);
  const Variable same = forgetting(handed_on, [](const Variable& v) { return v; });
  for (const Remade& h : {of_constant, without, handed_on}) to_vector(h.value.value());
  tape.backward(sum(same));
  CHECK(x.grad());
}

TEST_CASE("forgetting: every norm makes the same bits again, in training and in evaluation") {
  for (const Word<NormKind>& kind : words_of(NormKind{})) {
    for (const bool training : {true, false}) {
      Parameters store(1);
      const auto norm = make_norm(store.root() / "norm", kind.value, 6);
      store.set_training(training);
      const Variable x = Variable::leaf(random64({2, 7, 6}, 3).to(DType::Float32));
      Tape tape;
      const Remade h = norm->remade(x);
      CAPTURE(kind.text);
      if (kind.value == NormKind::None) {
        CHECK(!h.make_again);
        continue;
      }
      std::vector<double> running;
      for (const Parameter& p : store.all())
        for (const double v : to_vector(p.variable.value())) running.push_back(v);
      const Tape::Pause pause;
      CHECK(to_vector(h.make_again()) == to_vector(h.value.value()));
      for (const Parameter& p : store.all())  // no other effect
        for (const double v : to_vector(p.variable.value())) {
          CHECK(v == running.front());
          running.erase(running.begin());
        }
    }
  }
}

TEST_CASE("forgetting: a gated unit has the gradients of its formula, whatever its activation") {
  const MakeMixer make = [](const Scope& s, const MixerShape& shape) {
    return std::make_unique<Tno>(s, shape, KernelOptions{.gamma = 0.9}, TnoOptions{});
  };
  const Tensor lengths = tensor_of(std::vector<int32_t>{7, 3}, {2});
  for (const Word<Activation>& activation : words_of(Activation{})) {
    for (const bool padded : {false, true}) {
      CAPTURE(activation.text);
      CAPTURE(padded);
      Parameters store(1, DType::Float64);
      const GtuOptions options{
          .dim = 4, .inner = 5, .train_length = 7, .activation = activation.value};
      const Gtu gtu(store.root() / "gtu", options, make);
      const Variable x = Variable::leaf(random64({2, 7, 4}, 2));
      const auto formula = [&] {
        Variable v = activate(activation.value, gtu.v_proj(x));
        if (padded) v = mask_positions(v, lengths);
        return gtu.o(activate(activation.value, gtu.u_proj(x)) * (*gtu.mixer)(v));
      };
      const auto gradients = [&](bool unit) {
        store.zero_grad();
        x.zero_grad();
        Tape tape;
        const Variable y = unit ? gtu(x, padded ? lengths : Tensor()) : formula();
        tape.backward(y, random64({2, 7, 4}, 3));
        std::vector<double> all = to_vector(x.grad());
        for (const Parameter& p : store.all())
          if (p.variable.requires_grad())
            for (const double g : to_vector(p.variable.grad())) all.push_back(g);
        return all;
      };
      const std::vector<double> ours = gradients(true), expected = gradients(false);
      REQUIRE(ours.size() == expected.size());
      double worst = 0, largest = 0;
      for (size_t i = 0; i < ours.size(); ++i) {
        worst = larger(worst, std::abs(ours[i] - expected[i]));
        largest = std::max(largest, std::abs(expected[i]));
      }
      CHECK(worst < 1e-12 * largest);
    }
  }
}

TEST_CASE("forgetting: a block keeps what its products need, and neither norms nor activations") {
  for (const NormKind norm : {NormKind::Layer, NormKind::SimpleRms, NormKind::Batch}) {
    Parameters store(1);
    const ModelOptions options{.dim = 32, .glu_expand = 1, .norm = norm};
    const Block block(store.root() / "block", options,
                      {.vocab = 3, .classes = 2, .max_length = 512});
    const Variable x = Variable::leaf(random64({1, 512, 32}, 2).to(DType::Float32));
    const int64_t before = memory::stats(Device::CPU).live;
    Tape tape;
    const Variable y = block(x, {});
    const double kept =
        double(memory::stats(Device::CPU).live - before) / double(x.value().bytes());
    // v, u and what the mixer made; the sum; both maps of the gated linear unit; y. Two norms and
    // an activation would be three more.
    CHECK(kept > 6.9);
    CHECK(kept < 8);
    tape.backward(y, random64({1, 512, 32}, 3).to(DType::Float32));
  }
}

TEST_CASE("forget and remember: only a forgotten tensor takes the memory of one like it") {
  Tensor x = random64({4}, 1);
  const Tensor view = x.reshape({2, 2});
  const int64_t live = memory::stats(Device::CPU).live;
  CHECK_THROWS_WITH_AS(x.remember(random64({4}, 2)), doctest::Contains("was not forgotten"), Error);
  CHECK_THROWS_WITH_AS(Tensor().forget(), doctest::Contains("empty"), Error);
  x.forget();
  x.forget();
  CHECK(memory::stats(Device::CPU).live < live);
  CHECK_THROWS_AS(to_vector(view), Error);
  CHECK_THROWS_WITH_AS(x.remember(random64({5}, 2)), doctest::Contains("got float64 (5)"), Error);
  const Tensor held = random64({4}, 2);
  CHECK_THROWS_WITH_AS(x.remember(held), doctest::Contains("of its own"), Error);
  Tensor other = random64({4}, 2);
  other.forget();
  CHECK_THROWS_WITH_AS(x.remember(std::move(other)), doctest::Contains("of its own"), Error);
  CHECK_THROWS_WITH_AS(x.remember(random64({8}, 2).to(DType::Float32)),
                       doctest::Contains("got float32 (8)"), Error);
  x.remember(random64({4}, 2));
  CHECK(to_vector(view) == to_vector(held));
  CHECK(memory::stats(Device::CPU).live >= live);
}
