#include "autograd/recompute.h"

namespace skiff {
namespace {

thread_local bool second_run = false;

struct SecondRun {
  bool outer = second_run;
  SecondRun() { second_run = true; }
  ~SecondRun() { second_run = outer; }
};

bool checks_finite() { return Tape::current() && Tape::current()->checks_finite(); }
bool checks_unchanged() { return Tape::current() && Tape::current()->checks_unchanged(); }

// The backward of f needs what f computed, so f runs again, on a tape of its own, and that tape's
// backward starts with gy. It makes gx, and adds the gradients of f's leaves itself.
struct Recompute final : Node {
  std::function<Variable(const Variable&)> f;
  Tensor x;

  const char* name() const override { return "recompute"; }
  bool runs_ops() const override { return true; }
  Grads backward(const Tensor& gy, Needs) const override {
    const bool finite = checks_finite(), unchanged = checks_unchanged();
    const SecondRun running;
    const Variable leaf = Variable::leaf(x);
    Tape tape;
    if (finite) tape.check_finite();
    if (unchanged) tape.check_unchanged();
    const Variable y = f(leaf);
    if (!y.requires_grad()) return {zeros_like(x)};  // f is constant
    if (!tape.recorded(y)) {
      check(y.value().shares_storage(x), "recompute: f returned a leaf of its own");
      return {gy};  // f hands x on
    }
    tape.backward(y, gy);
    return {leaf.grad() ? leaf.grad() : zeros_like(x)};
  }
};

// The last op of g in forgetting(h, g): the identity. Its backward comes before g's.
struct Forget final : Node {
  Tensor value;
  std::function<Tensor()> make_again;

  const char* name() const override { return "forget"; }
  bool runs_ops() const override { return true; }
  Grads backward(const Tensor& gy, Needs) const override {
    const Tape::Pause pause;
    Tensor(value).remember(make_again());
    return {gy};
  }
};

// The value of f(x), with no trace of it on the tape. A tape that looks for numbers that are not
// finite looks at f's, too.
Tensor value_of(const std::function<Variable(const Variable&)>& f, const Tensor& x) {
  if (!checks_finite()) {
    const Tape::Pause pause;
    return f(Variable(x)).value();
  }
  Tape probe;
  probe.check_finite();
  return f(Variable::leaf(x)).value();
}

}  // namespace

bool recomputing() { return second_run; }

Variable recompute(const std::function<Variable(const Variable&)>& f, const Variable& x) {
  if (!Tape::current() || !x.requires_grad()) return f(x);
  const Recorder recorder({x});
  Tensor y = value_of(f, x.value());
  auto node = std::make_unique<Recompute>();
  node->f = f;
  node->x = x.value();
  return recorder.record(std::move(node), std::move(y), {x});
}

Variable forgetting(const Remade& h, const std::function<Variable(const Variable&)>& g) {
  const Variable y = g(h.value);
  const bool kept = !h.make_again || y.value().shares_storage(h.value.value());
  if (kept || !Tape::current() || !y.requires_grad()) return y;
  const Recorder recorder({y});
  auto node = std::make_unique<Forget>();
  node->value = h.value.value();
  node->make_again = h.make_again;
  node->value.forget();
  return recorder.record(std::move(node), y.value(), {y});
}

}  // namespace skiff
