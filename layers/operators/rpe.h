// The networks that turn positions (or frequencies) into kernel values: s (m, inputs) -> (m, out).
// Two different ones are in use, and they are not interchangeable.
#pragma once

#include <vector>

#include "autograd/ops/sequence.h"
#include "layers/units/activation.h"
#include "layers/units/linear.h"
#include "layers/units/norm.h"

namespace skiff {

// What the network of a kernel reads. The published networks read the lag or the frequency itself.
// Their kinks are then about as far apart as the inputs are large, so they resolve short and long
// lags, or low and high frequencies, equally coarsely. A network that also reads the logarithm has
// kinks in every octave, and so can make a step at lag 0 or a response as 1/w:
//   log   tno: also sign(l) log(1 + |l|);  fd: also log(w + 2 pi/F)
enum class KernelInput { Linear, Log };
inline std::span<const Word<KernelInput>> words_of(KernelInput) {
  static constexpr Word<KernelInput> kWords[] = {{KernelInput::Linear, "linear"},
                                                 {KernelInput::Log, "log"}};
  return kWords;
}

// The network of a kernel: hidden layers, their width and what is between them. Variant B, below,
// has a width only.
struct RpeOptions {
  int64_t width = 32;
  int64_t layers = 3;
  Activation activation = Activation::Relu;
  NormKind norm = NormKind::SimpleRms;
  bool residual = false;
  KernelInput input = KernelInput::Linear;

  int64_t inputs() const { return input == KernelInput::Log ? 2 : 1; }

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "rpe-width",
           .help = "tno, fd: width of the kernel's network",
           .low = 1,
           .high = 65536},
          o.width);
    field({.name = "rpe-layers",
           .help = "tno, fd: its hidden layers (not of the network 'lra')",
           .low = 0,
           .high = 100},
          o.layers);
    field({.name = "rpe-activation", .help = "tno, fd: its activation (not of 'lra')"},
          o.activation);
    field({.name = "rpe-norm", .help = "tno, fd: its normalisation (not of 'lra')"}, o.norm);
    field({.name = "rpe-residual",
           .help = "tno, fd: its hidden layers add to their input (not "
                   "of 'lra')"},
          o.residual);
    field({.name = "kernel-input",
           .help = "tno, fd: its input: the lag or frequency as published (linear), or also its "
                   "logarithm (log)"},
          o.input);
  }
};

// What the kernels of all operators share.
struct KernelOptions {
  bool causal = false;  // outputs depend on earlier positions only
  double gamma = 0.99;  // tno: decay per lag; ski: base of the warp, with Warp::Gamma
  RpeOptions rpe = {};  // tno, fd

  Direction direction() const { return causal ? Direction::Causal : Direction::Bidirectional; }

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& field) {
    field({.name = "causal", .help = "Positions are mixed with earlier ones only"}, o.causal);
    field({.name = "gamma",
           .help = "tno: decay per lag; ski with --warp gamma: base of the warp",
           .low = 0,
           .high = 1},
          o.gamma);
    field({.name = "rpe", .help = ""}, o.rpe);
  }
};

// Variant A, `Rpe` of ski-tnn laxtnn/modules/rpe.py and tnn-pytorch:
//   z = pos_proj(s);  L times: z <- layers.i(act(norm(z))) (+ z);  out(act(norm(z)))
struct Rpe {
  RpeOptions options;
  Linear pos_proj;
  std::vector<std::unique_ptr<Norm>> norms;
  std::vector<Linear> hidden;
  std::unique_ptr<Norm> out_norm;
  Linear out;
  Rpe(const Scope& s, const RpeOptions& o, int64_t outputs);
  Variable operator()(const Variable& s) const;
};

// Variant B, `DynamicPosBiasV4` of the LRA code (lra-tnn dpb_v4.py): two hidden layers without
// norms, a layer norm before the last activation; always relu. Its depth setting has no effect.
struct LraRpe {
  Linear pos_proj, pos1, pos2;
  LayerNorm norm;
  Linear out;
  LraRpe(const Scope& s, int64_t width, int64_t outputs, int64_t inputs = 1);
  Variable operator()(const Variable& s) const;
};

// Positions as the column (m, 1) that a network reads; with logarithms of them (m, 2).
Variable position_column(const std::vector<double>& positions, DType dtype, Device device);
Variable position_columns(const std::vector<double>& positions,
                          const std::vector<double>& logarithms, DType dtype, Device device);

}  // namespace skiff
