// The tape: what is recorded, how gradients add up, when memory is freed, and what is refused.
#include "autograd/op.h"
#include "core/memory.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

namespace {

int64_t live_bytes() { return memory::stats(Device::CPU).live; }
std::vector<int64_t> live_in_backward;

// The identity; its backward notes the bytes that are alive.
struct Probe {
  static constexpr auto name = "probe";
  static constexpr Linearity linear = Linearity::Jointly;
  Tensor forward(const Tensor& x) { return x; }
  Grads backward(const Tensor& gy, Needs) const {
    live_in_backward.push_back(live_bytes());
    return {gy};
  }
  static std::vector<Sample<Probe>> samples() { return {{"vector", {}, {randn({3})}}}; }
};
Variable probe(const Variable& x) { return apply(Probe{}, x); }

Variable number(double x) { return Variable::leaf(values({x}, {})); }

}  // namespace

TEST_CASE("tape: a value used twice collects both gradients") {
  const Variable a = number(3);
  Tape tape;
  const Variable b = a + a, c = b + b;
  tape.backward(c);
  CHECK(item(a.grad()) == 4);

  const Variable x = number(2);
  Tape second;
  second.backward(x * x * x + x);  // 3 x^2 + 1
  CHECK(item(x.grad()) == 13);
}

TEST_CASE("tape: a diamond of many uses adds up once per path") {
  const Variable a = Variable::leaf(values({1, 2}, {2}));
  Tape tape;
  Variable y = a;
  for (int i = 0; i < 10; ++i) y = y + y;
  tape.backward(sum(y));
  CHECK(to_vector(a.grad()) == std::vector<double>{1024, 1024});
}

TEST_CASE("tape: adding in place leaves shared gradients alone") {
  // add returns the cotangent itself for both inputs, so the gradients of a, of y and of z are one
  // tensor until something is added to it.
  const Variable a = Variable::leaf(values({1, 2}, {2}));
  const Tensor g = values({10, 100}, {2});
  Tape tape;
  const Variable y = a + a, z = y + a, w = z + a;
  tape.watch(y);
  tape.watch(z);
  tape.backward(w, g);
  CHECK(to_vector(g) == std::vector<double>{10, 100});
  CHECK(to_vector(y.grad()) == std::vector<double>{10, 100});
  CHECK(to_vector(z.grad()) == std::vector<double>{10, 100});
  CHECK(to_vector(a.grad()) == std::vector<double>{40, 400});
}

TEST_CASE("tape: adding in place leaves a gradient alone that somebody holds") {
  const Variable w = number(1), v = number(1);
  for (int i = 0; i < 2; ++i) {
    Tape tape;
    tape.backward(2.0 * w);
  }
  const Tensor held = w.grad();
  Tape tape;
  const Variable y = w + v;
  tape.backward(y, w.grad());
  CHECK(item(held) == 4);
  CHECK(item(v.grad()) == 4);
  CHECK(item(w.grad()) == 8);
}

TEST_CASE("tape: a sum of gradients is made in memory that nobody else holds") {
  const Variable w = number(1);
  const auto run = [&](double factor) {
    Tape tape;
    tape.backward(factor * w);
  };
  run(2);
  const void* const first = w.grad().raw();
  run(3);  // into the sum
  CHECK(w.grad().raw() == first);
  const Tensor held = w.grad();
  Profile profile;
  {
    const Profile::Step step(profile);
    run(4);  // the sum is held: into the new gradient
  }
  int64_t made = -1;
  for (const Profile::Row& row : profile.rows())
    if (row.name == "sum of gradients") made = row.bytes;
  CHECK(made == 0);
  CHECK(item(w.grad()) == 9);
  CHECK(item(held) == 5);
}

TEST_CASE("tape: gradients of a leaf add up over tapes until they are dropped") {
  const Variable a = number(5);
  for (int i = 1; i <= 3; ++i) {
    Tape tape;
    tape.backward(2.0 * a);
    CHECK(item(a.grad()) == 2 * i);
  }
  a.zero_grad();
  CHECK_FALSE(bool(a.grad()));
}

TEST_CASE("tape: only leaves and watched values keep a gradient") {
  const Variable a = number(3), unused = number(1);
  Tape tape;
  const Variable b = 2.0 * a, c = b * b;
  tape.watch(b);
  tape.backward(c);
  CHECK(item(b.grad()) == 12);
  CHECK(item(a.grad()) == 24);
  CHECK_FALSE(bool(c.grad()));
  CHECK_FALSE(bool(unused.grad()));
  CHECK(contains(message_of([&] { tape.watch(Variable(values({1}, {}))); }),
                 "watch: a constant has no gradient"));
  CHECK(contains(message_of([] { Variable(values({1}, {})).grad(); }), "is a constant"));
}

TEST_CASE("tape: without a tape, and for constants, nothing is recorded") {
  const Variable a = number(3);
  CHECK(Tape::current() == nullptr);
  const Variable b = a * a;
  CHECK_FALSE(b.requires_grad());
  Tape tape;
  CHECK(Tape::current() == &tape);
  const Variable c = Variable(values({1}, {})) + values({2}, {});
  CHECK_FALSE(c.requires_grad());
  CHECK(tape.size() == 0);
  const Variable d = a + c;
  CHECK(d.requires_grad());
  CHECK(tape.size() == 1);
}

TEST_CASE("tape: values the loss does not depend on get no gradient, and no work") {
  const Variable a = number(3), b = number(4);
  Tape tape;
  const Variable used = 2.0 * a, unused = probe(5.0 * b);
  live_in_backward.clear();
  tape.backward(used);
  CHECK(live_in_backward.empty());
  CHECK_FALSE(bool(b.grad()));
  CHECK(item(a.grad()) == 2);
}

TEST_CASE("tape: tapes nest, and the inner one records alone") {
  const Variable a = number(3);
  Tape outer;
  const Variable b = a * a;
  {
    Tape inner;
    CHECK(Tape::current() == &inner);
    const Variable c = number(2);
    inner.backward(c * c);
    CHECK(item(c.grad()) == 4);
    CHECK(outer.size() == 1);
  }
  CHECK(Tape::current() == &outer);
  outer.backward(b * a);
  CHECK(item(a.grad()) == 27);
}

TEST_CASE("tape: a value of an ended tape is refused on a new one") {
  const Variable a = number(3);
  Variable b;
  {
    Tape tape;
    b = a * a;
  }
  CHECK_NOTHROW(b + b);  // nothing is recorded here
  Tape tape;
  CHECK(contains(message_of([&] { b + b; }), "recorded on a tape that has ended"));
  CHECK(contains(message_of([&] { tape.backward(b); }), "was not recorded on this tape"));
}

TEST_CASE("tape: backward runs once, from one real element, from what was recorded here") {
  const Variable a = Variable::leaf(values({1, 2}, {2}));
  Tape tape;
  const Variable y = a * a, loss = sum(y);
  CHECK(contains(message_of([&] { tape.backward(y); }),
                 "the loss must have one element, got float64 (2)"));
  CHECK(contains(message_of([&] { tape.backward(Variable(values({1}, {}))); }),
                 "depends on nothing"));
  CHECK(contains(message_of([&] { tape.backward(y, values({1}, {1})); }), "must look like it"));
  CHECK(contains(message_of([&] {
                   tape.backward(a, values({1, 1}, {2}));
                 }),
                 "not recorded on this tape"));
  tape.backward(loss);
  CHECK(to_vector(a.grad()) == std::vector<double>{2, 4});
  CHECK(contains(message_of([&] { tape.backward(loss); }), "this tape has run already"));
  CHECK(contains(message_of([&] { a + a; }), "this tape has run backward"));
}

TEST_CASE("tape: print lists the ops with their shapes and the bytes they hold") {
  const Variable a = Variable::leaf(zeros({4, 8}, DType::Float32));
  Tape tape;
  tape.describe_ops();
  const Variable y = exp(a), z = sum(y);
  const std::string text = tape.print();
  CAPTURE(text);
  CHECK(contains(text, "exp"));
  CHECK(contains(text, "(4, 8) -> (4, 8)"));
  CHECK(contains(text, "128"));
  CHECK(contains(text, "(4, 8) -> ()"));
}

TEST_CASE(
    "tape: nodes tell the operations of their matrix products and the shapes of their inputs") {
  const auto leaf = [](Shape shape) { return Variable::leaf(random64(shape, 1)); };
  const Variable x = leaf({2, 7, 5}), W1 = leaf({4, 5}), W2 = leaf({4, 5}), W3 = leaf({3, 4});
  const Variable b1 = leaf({4}), b2 = leaf({4}), b3 = leaf({3});
  const double maps = 2.0 * 14 * 5 * 4, out = 2.0 * 14 * 4 * 3;
  Tape tape;
  tape.describe_ops();
  const Variable a = linear(x, W1, b1), b = exp(a);
  matmul(x, transposed(W1));
  matmul(b, leaf({2, 4, 6}));
  gated_linear(a, b, W3, b3, {});
  gated_linear_unit(x, {W1, b1, W2, b2, W3, b3}, {});
  std::vector<double> flops;
  for (const auto& node : tape.nodes()) flops.push_back(node->flops());
  CHECK(flops == std::vector<double>{maps, 0, maps, 2.0 * 14 * 4 * 6, out, 2 * maps + out});
  CHECK(tape.nodes()[0]->input_shapes == std::vector<Shape>{{2, 7, 5}, {4, 5}, {4}});
  CHECK(tape.nodes()[0]->output->shape == Shape{2, 7, 4});
}

TEST_CASE("tape: check_finite names the op whose output or gradient is not finite") {
  const Variable a = number(1), zero = number(0), tiny = number(1e-200);
  {
    Tape tape;
    tape.check_finite();
    CHECK(contains(message_of([&] { div(a, zero); }), "div: the output, float64 (), is the first"));
    CHECK_THROWS_AS(div(a, zero), NumericalError);
  }
  {
    Tape tape;
    tape.check_finite();
    const Variable y = 2.0 * div(a, tiny);  // finite, but its slope 1 / tiny^2 is not
    CHECK(contains(message_of([&] { tape.backward(y); }), "div: the gradient of input 1"));
  }
  Tape tape;  // unchecked
  CHECK(std::isinf(item(div(a, zero))));
}

TEST_CASE(
    "tape: a gradient of another shape or type than its input is refused with the op's name") {
  const auto refusal = [](Tensor (*gradient)(const Tensor&)) {
    const Variable x = Variable::leaf(zeros({7}, DType::Float32));
    Tape tape;
    const Variable y = with_gradient(x, gradient);
    const std::string message = message_of([&] { tape.backward(y, full({7}, 1, DType::Float32)); });
    CHECK(bool(x.grad()) == message.empty());
    return message;
  };
  const std::string needed =
      "with_gradient: the gradient of input 0 must be float32 (7) like the input, got ";
  CHECK(refusal(first_entry) == needed + "float32 (1)");
  CHECK(refusal([](const Tensor& gy) { return gy.reshape({7, 1}); }) == needed + "float32 (7, 1)");
  CHECK(refusal([](const Tensor& gy) { return gy.to(DType::Float64); }) == needed + "float64 (7)");
  CHECK(refusal([](const Tensor& gy) { return gy; }) == "");
}

TEST_CASE("tape: check_unchanged names what was written between an op's forward and its backward") {
  const Variable a = Variable::leaf(values({1, 2}, {2})), b = Variable::leaf(values({3, 4}, {2}));
  const auto backward_after = [&](auto write, bool checked = true) {
    Tape tape;
    if (checked) tape.check_unchanged();
    const Variable y = exp(a * b);
    write(y.value());
    const Variable loss = sum(y);
    return message_of([&] { tape.backward(loss); });
  };
  const auto write = [](Tensor x) { x.data<double>()[0] = 5; };
  const std::string changed = ", float64 (2), has changed between forward and backward";
  CHECK(
      contains(backward_after([&](const Tensor&) { write(b.value()); }), "mul: input 1" + changed));
  CHECK(
      contains(backward_after([&](const Tensor&) { write(a.value()); }), "mul: input 0" + changed));
  CHECK(contains(backward_after([&](const Tensor& y) { write(y); }), "exp: the output" + changed));
  CHECK(contains(backward_after([&](const Tensor&) {
                   write(b.value().reshape({2, 1}));
                 }),
                 "mul: input 1" + changed));
  CHECK(backward_after([&](const Tensor&) { write(b.value()); }, /*checked=*/false) == "");
  // Reading is no change, nor is writing to a copy.
  CHECK(backward_after([&](const Tensor& y) { write(y.clone()); }) == "");
  CHECK(backward_after([&](const Tensor& y) { to_vector(y), item(sum(b)), y.data<double>(); }) ==
        "");
}

TEST_CASE("tape: check_unchanged lets every op read what another one has made") {
  const auto check = [](const Shape& shape, const std::function<Variable(const Variable&)>& op) {
    const Variable x = Variable::leaf(random64(shape, 1));
    Tape tape;
    tape.check_unchanged();
    const Variable h = exp(x);  // keeps its output, which is alive in its backward
    const Variable loss = sum(op(h) * op(h));
    CHECK(message_of([&] { tape.backward(loss); }) == "");
  };
  const Variable W = Variable::leaf(random64({4, 4}, 2)), b = Variable::leaf(random64({4}, 3));
  check({3, 4}, [&](const Variable& h) { return gated_linear_unit(h, {W, b, W, b, W, b}, {}); });
  check({3, 4}, [&](const Variable& h) { return gated_linear(h, h, W, b, {}); });
  check({2, 3, 4}, [&](const Variable& h) { return attention(h, h, h, 2, Direction::Causal); });
}

TEST_CASE("tape: a node and what it saved are freed as backward walks") {
  const int64_t before = live_bytes(), size = 1 << 16;
  {
    const Variable a = Variable::leaf(full({size}, 0.1, DType::Float32));
    const int64_t bytes = a.value().bytes();
    Tape tape;
    Variable y = a;
    for (int i = 0; i < 6; ++i) y = probe(exp(y));  // each exp keeps its output
    y = sum(y);
    CHECK(live_bytes() >= before + 7 * bytes);
    live_in_backward.clear();
    tape.backward(y);
    REQUIRE(live_in_backward.size() == 6);
    for (size_t i = 1; i + 1 < 6; ++i)
      CHECK(live_in_backward[i] - live_in_backward[i + 1] == bytes);
    CHECK(live_bytes() <= before + 2 * bytes + 64);  // a and its gradient, and the loss
    CHECK(tape.size() == 0);
  }
  CHECK(live_bytes() == before);
}

TEST_CASE("leaf: integers and empty tensors are refused") {
  CHECK(contains(message_of([] { Variable::leaf(Tensor({2}, DType::Int32)); }),
                 "leaf: a floating point"));
  CHECK(contains(message_of([] { Variable::leaf(Tensor()); }), "leaf: a floating point"));
}
