// autograd: the tape, the ops with their derivatives, and the check of every derivative.
// Nothing in this folder knows a parameter's name or a model.
//
//   Variable w = Variable::leaf(tensor);           // wants a gradient
//   {
//     Tape tape;                                   // records until the end of this scope
//     const Variable loss = cross_entropy(matmul(x, w), labels);
//     tape.backward(loss);                         // consumes what was recorded
//   }
//   w.grad();
//
// Ops are recorded in the order they run, and that is a topological order: backward walks the list
// from its end, without a graph search and without recursion. A node is destroyed right after its
// backward, with what it saved.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "autograd/profile.h"
#include "core/tensor.h"

namespace skiff {

// Where a Variable's gradient is collected, and what it must look like: the Variable's value.
struct GradSlot {
  explicit GradSlot(const Tensor& value)
      : shape(value.shape()), dtype(value.dtype()), device(value.device()) {}
  const Shape shape;
  const DType dtype;
  const Device device;
  Tensor grad;
  bool watched = false;  // keep the gradient of this intermediate value
  uint64_t tape = 0;     // the tape that recorded the value; 0 for a leaf
};

// A Tensor and, if a gradient is wanted, a place for it. A cheap handle.
class Variable {
 public:
  Variable() = default;
  Variable(Tensor value) : value_(std::move(value)) {}  // a constant
  static Variable leaf(Tensor value);                   // a value that wants a gradient

  explicit operator bool() const { return bool(value_); }
  const Tensor& value() const { return value_; }
  bool requires_grad() const { return slot_ != nullptr; }
  const Tensor& grad() const;  // the sum of those that have arrived; empty if none has
  void zero_grad() const;      // drops the gradient
  // Moves the gradient out, and in: in the place of what is there; an empty one is none.
  Tensor take_grad() const;
  void set_grad(Tensor gradient) const;

  const Shape& shape() const { return value_.shape(); }
  int rank() const { return value_.rank(); }
  int64_t size() const { return value_.size(); }
  int64_t size(int64_t axis) const { return value_.size(axis); }
  DType dtype() const { return value_.dtype(); }
  Device device() const { return value_.device(); }

 private:
  friend class Tape;
  friend struct Recorder;
  Tensor value_;
  std::shared_ptr<GradSlot> slot_;
};

using Grads = std::vector<Tensor>;  // one per input; may be empty where none is needed

class Needs {  // which inputs want a gradient
 public:
  void set(size_t i) { bits_ |= uint64_t(1) << i; }
  bool operator[](size_t i) const { return bits_ >> i & 1; }

 private:
  uint64_t bits_ = 0;
};

// A recorded op. The op keeps what its backward needs; the node keeps only its inputs' slots.
struct Node {
  virtual ~Node() = default;
  virtual const char* name() const = 0;
  virtual Grads backward(const Tensor& gy, Needs needs) const = 0;
  virtual bool runs_ops() const { return false; }  // their times are measured one by one
  virtual double flops() const { return 0; }       // of the matrix products of forward

  std::vector<std::shared_ptr<GradSlot>> inputs;  // null where an input is constant
  std::shared_ptr<GradSlot> output;
  // Filled only on a tape that describes its ops.
  std::vector<Shape> input_shapes;  // of the inputs that are given
  // New bytes alive after the op: its output and what it saved. Negative where it gave some back.
  int64_t bytes = 0;
};

class Tape {
 public:
  Tape();
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // Adds d loss / d v to the gradient of every leaf v; loss has one element. Runs once.
  void backward(const Variable& loss);
  // The same for an output of any shape and its cotangent gy.
  void backward(const Variable& y, const Tensor& gy);

  // Keeps the gradient of an intermediate value, for grad() after backward.
  void watch(const Variable& v);
  // Ops recorded so far, one line each: name, shapes, new bytes held. Call describe_ops() first.
  std::string print() const;
  void describe_ops() { describe_ = true; }
  // Checks the output and the gradients of every op from here on; the first NaN or infinity throws
  // NumericalError with the op's name. Costs a pass over each result.
  void check_finite() { check_finite_ = true; }
  // From here on, backward throws with the names of op and tensor when an input or the output of an
  // op was written after the op ran, by a step of an optimizer for example: its gradients could be
  // wrong. core/tensor.h says what counts as writing (ChangeMark). Of what recompute() computes
  // again, only its x is watched.
  void check_unchanged() { check_unchanged_ = true; }
  size_t size() const { return nodes_.size(); }
  bool recorded(const Variable& v) const { return v.slot_ && v.slot_->tape == id_; }  // here
  const std::vector<std::unique_ptr<Node>>& nodes() const { return nodes_; }  // in their order

  static Tape* current();  // of this thread; null when nothing is recorded
  bool checks_finite() const { return check_finite_; }
  bool checks_unchanged() const { return check_unchanged_; }

  // Nothing is recorded while it lives, whatever tape runs.
  class Pause {
   public:
    Pause();
    ~Pause();
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    Tape* paused_;
  };

 private:
  friend struct Recorder;
  static bool alive(uint64_t id);
  struct Marked {  // an input or the output of an op
    std::string what;
    ChangeMark mark;
  };
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::vector<Marked>> marked_;  // of each node
  Tape* outer_;
  uint64_t id_;
  bool ran_ = false, describe_ = false, check_finite_ = false, check_unchanged_ = false;
};

// What apply() calls around an op's forward (op.h).
struct Recorder {
  explicit Recorder(const std::vector<Variable>& inputs);
  // The output as a Variable: recorded with `make_node()` when a tape runs and an input wants a
  // gradient, a constant otherwise.
  template <class MakeNode>
  Variable finish(const char* name, Tensor y, const std::vector<Variable>& inputs,
                  MakeNode make_node) const {
    end_forward(name, y, inputs);
    if (!records) return Variable(std::move(y));
    return record(make_node(), std::move(y), inputs);
  }
  Variable record(std::unique_ptr<Node> node, Tensor y, const std::vector<Variable>& inputs) const;
  bool records = false;

 private:
  int64_t live_before = 0;
  ProfileSpan span;
  void end_forward(const char* name, const Tensor& y, const std::vector<Variable>& inputs) const;
};

inline double item(const Variable& v) { return item(v.value()); }

}  // namespace skiff
