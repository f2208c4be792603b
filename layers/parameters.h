// layers: parameters with names, and the models built from them. Nothing in this folder knows a
// data set or an optimizer. options.h: what a user chooses. units/: layers that act on each
// position alone. operators/: mixers, which act along the positions, each channel for itself.
// blocks/: the two halves of a residual block. mixers.h: the registry of mixers. model.h,
// language_model.h, model_file.h: whole models, and files that hold them. shard_pass.h: a batch in
// parts.
//
// Parameters live in one flat store, by the name they have in PyTorch's state_dict of the published
// code ("layers.0.gtu.u_proj.weight"). A layer is a plain struct built from a Scope; to create a
// parameter is to name it:
//
//   Parameters params(/*seed=*/1);
//   Linear head(params.root() / "head", 64, 10);      // head.weight (10, 64), head.bias (10)
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "autograd/tape.h"
#include "core/io/safetensors.h"

namespace skiff {

// Makes the first value of a parameter. `stream` is a function of the parameter's name, so adding a
// layer does not change the numbers another one starts from.
using Initializer = std::function<Tensor(Shape shape, DType dtype, uint64_t seed, uint64_t stream)>;
Initializer uniform(double bound);     // U(-bound, bound)
Initializer normal(double deviation);  // N(0, deviation^2)
Initializer constant(double value);

struct Parameter {
  std::string name;
  Variable variable;  // a leaf if trained, else a constant (a buffer)
  bool trained;
};

// A file whose names start otherwise: each (from, to) pair replaces a prefix, the first that fits.
//   params.load(with_prefixes(file, {{"model.decoder.", "decoder."}}));
safetensors::File with_prefixes(safetensors::File file,
                                const std::vector<std::pair<std::string, std::string>>& prefixes);

class Scope;
struct ShardPass;

class Parameters {
 public:
  explicit Parameters(uint64_t seed, DType dtype = DType::Float32, Device device = Device::CPU)
      : seed_(seed), dtype_(dtype), device_(device) {}
  Parameters(const Parameters&) = delete;  // layers point here for seed, step and mode
  Parameters& operator=(const Parameters&) = delete;

  Scope root();
  const std::vector<Parameter>& all() const { return entries_; }  // in order of creation
  const Parameter* find(const std::string& name) const;
  int64_t trained_count() const;  // numbers that are trained
  void zero_grad();
  // The gradients of the trained parameters, in order of creation, moved out and in: of models that
  // are computed in turns.
  std::vector<Tensor> take_gradients();
  void set_gradients(std::vector<Tensor> gradients);

  uint64_t seed() const { return seed_; }
  DType dtype() const { return dtype_; }
  Device device() const { return device_; }
  bool training() const { return training_; }  // dropout, batch statistics
  void set_training(bool training) { training_ = training; }
  uint64_t step() const { return step_; }  // keys the masks of dropout
  void set_step(uint64_t step) { step_ = step; }
  // The shard of a batch that the model computes (shard_pass.h); null: the whole batch.
  ShardPass* shard() const { return shard_; }
  void set_shard(ShardPass* shard) { shard_ = shard; }

  // Values for a checkpoint, and back: missing, extra or misshapen names are one DataError, of
  // which it names up to five, and then nothing is changed. `ignored` names, by prefix, what else
  // the file may hold.
  std::vector<safetensors::Entry> values() const;
  void load(const safetensors::File& file, const std::vector<std::string>& ignored = {});

 private:
  friend class Scope;
  Variable add(const std::string& name, Shape shape, const Initializer& initial, bool trained);
  std::vector<Parameter> entries_;
  uint64_t seed_, step_ = 0;
  DType dtype_;
  Device device_;
  bool training_ = true;
  ShardPass* shard_ = nullptr;
};

// A place in the store: a prefix of names.
class Scope {
 public:
  Scope operator/(const std::string& name) const {
    return Scope(store_, prefix_.empty() ? name : prefix_ + "." + name);
  }
  Scope operator/(int64_t index) const { return *this / std::to_string(index); }
  Variable parameter(const std::string& name, Shape shape, const Initializer& initial) const {
    return store_->add((*this / name).prefix_, shape, initial, true);
  }
  Tensor buffer(const std::string& name, Shape shape, const Initializer& initial) const {
    return store_->add((*this / name).prefix_, shape, initial, false).value();
  }
  const Parameters& store() const { return *store_; }
  const std::string& prefix() const { return prefix_; }

 private:
  friend class Parameters;
  Scope(Parameters* store, std::string prefix) : store_(store), prefix_(std::move(prefix)) {}
  Parameters* store_;
  std::string prefix_;
};

}  // namespace skiff
