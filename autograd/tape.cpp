#include "autograd/tape.h"

#include <atomic>
#include <cstdio>

#include "autograd/accumulate.h"
#include "core/memory.h"

namespace skiff {
namespace {
thread_local Tape* current_tape = nullptr;
std::atomic<uint64_t> tapes_made{0};  // numbers are never used twice, by any thread

int64_t live_bytes(Device device) { return memory::stats(device).live; }

// Bytes of the gradients that an op made: one it passes on, or gives to two inputs, is no new one.
int64_t new_bytes(const Grads& grads, const Tensor& gy) {
  int64_t bytes = 0;
  for (size_t i = 0; i < grads.size(); ++i) {
    bool is_new = grads[i] && !grads[i].shares_storage(gy);
    for (size_t j = 0; j < i; ++j) is_new = is_new && !grads[i].shares_storage(grads[j]);
    if (is_new) bytes += grads[i].bytes();
  }
  return bytes;
}

void check_form(const Node& node, size_t i, const Tensor& g) {
  const GradSlot& slot = *node.inputs[i];
  check(bool(g), node.name(), ": backward returned no gradient for input ", i);
  check(g.shape() == slot.shape && g.dtype() == slot.dtype && g.device() == slot.device,
        node.name(), ": the gradient of input ", i, " must be ", name_of(slot.dtype), ' ',
        slot.shape, slot.device == Device::CUDA ? " on cuda" : "", " like the input, got ", g);
}

void accumulate_measured(GradSlot& slot, Tensor g) {
  const bool adds = bool(slot.grad);
  const int64_t bytes = g.bytes();
  const ProfileSpan span;
  const bool makes = accumulate(slot, std::move(g));
  if (adds) span.end("sum of gradients", Profile::Phase::Backward, makes ? bytes : 0);
}
}  // namespace

Variable Variable::leaf(Tensor value) {
  check(value && value.dtype() != DType::Int32, "leaf: a floating point tensor is needed, got ",
        value);
  Variable v(std::move(value));
  v.slot_ = std::make_shared<GradSlot>(v.value_);
  return v;
}

const Tensor& Variable::grad() const {
  check(slot_ != nullptr, "grad: this Variable is a constant and has no gradient");
  return slot_->grad;
}

void Variable::zero_grad() const {
  if (!slot_) return;
  slot_->grad = Tensor();
}

Tensor Variable::take_grad() const {
  Tensor taken = grad();
  zero_grad();
  return taken;
}

void Variable::set_grad(Tensor g) const {
  check(slot_ != nullptr, "set_grad: this Variable is a constant and has no gradient");
  check(!g || (g.shape() == shape() && g.dtype() == dtype() && g.device() == device()),
        "set_grad: a gradient like ", value_, " is needed, got ", g);
  slot_->grad = std::move(g);
}

Tape::Tape() : outer_(current_tape), id_(++tapes_made) { current_tape = this; }
Tape::~Tape() {
  while (!nodes_.empty()) nodes_.pop_back();
  current_tape = outer_;
}

Tape* Tape::current() { return current_tape; }

Tape::Pause::Pause() : paused_(current_tape) { current_tape = nullptr; }
Tape::Pause::~Pause() { current_tape = paused_; }

bool Tape::alive(uint64_t id) {
  for (const Tape* tape = current_tape; tape; tape = tape->outer_)
    if (tape->id_ == id) return true;
  return false;
}

void Tape::watch(const Variable& v) {
  check(v.requires_grad(), "watch: a constant has no gradient");
  v.slot_->watched = true;
}

std::string Tape::print() const {
  std::ostringstream text;
  text << "    #  op                      bytes  shapes\n";
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const Node& node = *nodes_[i];
    char line[64];
    std::snprintf(line, sizeof line, "%5zu  %-18s %10lld  ", i, node.name(),
                  static_cast<long long>(node.bytes));
    text << line;
    for (const Shape& shape : node.input_shapes) text << shape << ' ';
    text << "-> " << node.output->shape << '\n';
  }
  return text.str();
}

void Tape::backward(const Variable& loss) {
  check(loss.size() == 1, "backward: the loss must have one element, got ", loss.value(),
        "; give a cotangent for other shapes");
  check(is_real(loss.dtype()), "backward: the loss must be real, got ", loss.value());
  backward(loss, full(loss.shape(), 1, loss.dtype(), loss.device()));
}

void Tape::backward(const Variable& y, const Tensor& gy) {
  check(y.requires_grad(), "backward: the value depends on nothing that wants a gradient");
  check(y.slot_->tape == id_, "backward: the value was not recorded on this tape");
  check(!ran_, "backward: this tape has run already; record the computation again");
  check(gy.shape() == y.shape() && gy.dtype() == y.dtype() && gy.device() == y.device(),
        "backward: the cotangent of ", y.value(), " must look like it, got ", gy);
  ran_ = true;
  accumulate(*y.slot_, gy);
  while (!nodes_.empty()) {
    const std::unique_ptr<Node> node = std::move(nodes_.back());
    const std::vector<Marked> marked = std::move(marked_.back());
    nodes_.pop_back();
    marked_.pop_back();
    Tensor g = node->output->grad;
    if (!g) continue;  // the loss does not depend on this output
    if (!node->output->watched) node->output->grad = Tensor();
    Needs needs;
    for (size_t i = 0; i < node->inputs.size(); ++i)
      if (node->inputs[i]) needs.set(i);
    for (const Marked& m : marked)
      check(!m.mark.changed(), node->name(), ": ", m.what,
            ", has changed between forward and backward, and its gradients would be wrong");
    const ProfileSpan span;
    Grads grads = node->backward(g, needs);
    if (span && !node->runs_ops())
      span.end(node->name(), Profile::Phase::Backward, new_bytes(grads, g));
    g = Tensor();  // not held, so that a sum may be made in its memory
    check(grads.size() == node->inputs.size(), node->name(), ": backward returned ", grads.size(),
          " gradients for ", node->inputs.size(), " inputs");
    for (size_t i = 0; i < grads.size(); ++i) {
      if (!node->inputs[i]) continue;
      check_form(*node, i, grads[i]);
      check<NumericalError>(!check_finite_ || all_finite(grads[i]), node->name(),
                            ": the gradient of input ", i, ", ", grads[i],
                            ", is the first that is not finite");
      accumulate_measured(*node->inputs[i], std::move(grads[i]));
    }
  }
}

Recorder::Recorder(const std::vector<Variable>& inputs) {
  for (const Variable& v : inputs) {
    if (!v.requires_grad()) continue;
    records = current_tape != nullptr;
    check(!records || v.slot_->tape == 0 || Tape::alive(v.slot_->tape),
          "apply: this Variable was recorded on a tape that has ended");
  }
  if (records && current_tape->describe_) live_before = live_bytes(inputs.front().device());
}

void Recorder::end_forward(const char* name, const Tensor& y,
                           const std::vector<Variable>& inputs) const {
  if (span) {
    bool is_new = true;
    for (const Variable& v : inputs) is_new = is_new && !(v && v.value().shares_storage(y));
    span.end(name, Profile::Phase::Forward, is_new ? y.bytes() : 0);
  }
  if (!current_tape || !current_tape->check_finite_) return;
  check<NumericalError>(all_finite(y), name, ": the output, ", y,
                        ", is the first that is not finite");
}

Variable Recorder::record(std::unique_ptr<Node> node, Tensor y,
                          const std::vector<Variable>& inputs) const {
  Tape& tape = *current_tape;
  check(!tape.ran_, "apply: this tape has run backward; start another one");
  Variable result(std::move(y));
  result.slot_ = std::make_shared<GradSlot>(result.value_);
  result.slot_->tape = tape.id_;
  node->output = result.slot_;
  for (const Variable& v : inputs) node->inputs.push_back(v.slot_);
  tape.marked_.emplace_back();
  if (tape.check_unchanged_) {
    const auto mark = [&](const std::string& what, const Tensor& x) {
      std::ostringstream text;
      text << what << ", " << x;
      tape.marked_.back().push_back({text.str(), ChangeMark(x)});
    };
    for (size_t i = 0; i < inputs.size(); ++i)
      mark("input " + std::to_string(i), inputs[i].value());
    mark("the output", result.value());
  }
  if (tape.describe_) {
    node->bytes = live_bytes(result.device()) - live_before;
    for (const Variable& v : inputs)
      if (v) node->input_shapes.push_back(v.shape());
  }
  tape.nodes_.push_back(std::move(node));
  return result;
}

}  // namespace skiff
