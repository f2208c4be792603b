// optim: what changes parameters: Adam, AdamW, SGD, learning rate schedules, gradient clipping, the
// average of weights; and how the gradients of the parts of a batch are added (shards.h).
//
// An optimizer keeps one or two tensors of state per trained parameter. step(lr) comes after
// backward() and changes parameters in place; it leaves those without a gradient alone.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/io/safetensors.h"
#include "layers/parameters.h"

namespace skiff {

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // Gradients are multiplied by gradient_scale as they are read (clip.h).
  virtual void step(double lr, double gradient_scale = 1) = 0;
  // What a checkpoint keeps of it, under names that begin with "optimizer."; load() reads it.
  virtual std::vector<safetensors::Entry> state() const = 0;
  virtual void load(const safetensors::File& file) = 0;
};

// Adam (Kingma and Ba 2015), L2 form:   g += weight_decay p, then
//   m = b1 m + (1-b1) g,  v = b2 v + (1-b2) g^2,
//   p -= lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps),   t = 1, 2, ..
// decoupled = true is AdamW (Loshchilov and Hutter 2019): p *= 1 - lr weight_decay first, and g
// stays as it is.
struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool decoupled = true;
  std::function<bool(const Parameter&)> decays = {};  // which parameters; empty: all
  std::function<double(const Parameter&)> rate = {};  // its lr / lr; empty: 1 for all
};

class Adam : public Optimizer {
 public:
  Adam(Parameters& parameters, const AdamOptions& options);
  void step(double lr, double gradient_scale = 1) override;
  int64_t steps() const { return steps_; }

  // State under "optimizer.m.NAME", "optimizer.v.NAME", "optimizer.steps".
  std::vector<safetensors::Entry> state() const override;
  void load(const safetensors::File& file) override;

 private:
  struct Moments {
    Parameter parameter;
    Tensor m, v;
    bool decays;
    double rate;
  };
  AdamOptions options_;
  std::vector<Moments> moments_;
  int64_t steps_ = 0;
};

// g += weight_decay p;  m = momentum m + g (m = g at first);  p -= lr m
struct SgdOptions {
  double momentum = 0, weight_decay = 0;
  std::function<double(const Parameter&)> rate = {};  // its lr / lr; empty: 1 for all
};

class Sgd : public Optimizer {
 public:
  Sgd(Parameters& parameters, const SgdOptions& options);
  void step(double lr, double gradient_scale = 1) override;

  std::vector<safetensors::Entry> state() const override;  // "optimizer.momentum.NAME"
  void load(const safetensors::File& file) override;

 private:
  struct Velocity {
    Parameter parameter;
    Tensor m;
    double rate;
  };
  SgdOptions options_;
  std::vector<Velocity> velocities_;
};

}  // namespace skiff
