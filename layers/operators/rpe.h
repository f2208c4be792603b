// The networks that turn positions (or frequencies) into kernel values: s (m, 1) -> (m, out).
// Two different ones are in use, and they are not interchangeable.
#pragma once

#include <vector>

#include "layers/units/linear.h"
#include "layers/units/norm.h"

namespace skiff {

struct RpeConfig {
  int64_t width = 32;  // hidden width p
  int64_t layers = 3;  // hidden layers (variant A)
  Activation activation = Activation::Relu;
  NormKind norm = NormKind::SimpleRms;
  bool residual = false;
};

// Variant A, `Rpe` of ski-tnn laxtnn/modules/rpe.py and tnn-pytorch:
//   z = pos_proj(s);  L times: z <- layers.i(act(norm(z))) (+ z);  out(act(norm(z)))
struct Rpe {
  RpeConfig config;
  Linear pos_proj;
  std::vector<Norm> norms;
  std::vector<Linear> hidden;
  Norm out_norm;
  Linear out;
  Rpe(Scope s, const RpeConfig& c, int64_t outputs);
  Variable operator()(const Variable& s) const;
};

// Variant B, `DynamicPosBiasV4` of the LRA code (lra-tnn dpb_v4.py): two hidden layers without
// norms, a layer norm before the last activation; always relu. Its depth setting has no effect.
struct LraRpe {
  Linear pos_proj, pos1, pos2;
  Norm norm;
  Linear out;
  LraRpe(Scope s, int64_t width, int64_t outputs);
  Variable operator()(const Variable& s) const;
};

// The column (m, 1) of positions a network is fed with.
Variable position_column(const std::vector<double>& positions, DType dtype, Device device);

}  // namespace skiff
