// Compares every op, layer and small model with tensors computed elsewhere: outputs, gradients, and
// the parameters along a training. The format of the files is in tests/reference/README.md.
// Run:     build/cpu/golden tests/reference
// Expect:  one row per file, and the last line "all N files agree"; exit code 6 if one does not.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>

#include "autograd/ops.h"
#include "core/memory.h"
#include "examples/program/device.h"
#include "examples/program/flags.h"
#include "examples/program/program.h"
#include "layers/blocks/gtu.h"
#include "layers/mixers.h"
#include "layers/model.h"
#include "optim/adam.h"

using namespace skiff;

namespace {

// ---- one file: its settings, its tensors, and what was found to differ ----

class Case {
 public:
  Case(const safetensors::File& file, DType dtype, Device device)
      : file_(file), dtype_(dtype), device_(device) {}

  const std::string& text(const std::string& key) const {
    const auto at = file_.metadata.find(key);
    check<DataError>(at != file_.metadata.end(), file_.path, ": the setting '", key,
                     "' is missing");
    return at->second;
  }
  std::string text(const std::string& key, const std::string& otherwise) const {
    return file_.metadata.count(key) ? text(key) : otherwise;
  }
  double number(const std::string& key) const {
    const std::string& value = text(key);
    size_t used = 0;
    double result = 0;
    try {
      result = std::stod(value, &used);
    } catch (const std::exception&) {
    }
    check<DataError>(used == value.size() && used > 0, file_.path, ": the setting '", key,
                     "' must be a number, got '", value, "'");
    return result;
  }
  double number(const std::string& key, double otherwise) const {
    return text(key, "").empty() ? otherwise : number(key);
  }
  int64_t integer(const std::string& key) const { return int64_t(number(key)); }
  int64_t integer(const std::string& key, int64_t otherwise) const {
    return int64_t(number(key, double(otherwise)));
  }
  bool flag(const std::string& key) const {
    const std::string value = text(key, "False");
    check<DataError>(value == "True" || value == "False", file_.path, ": the setting '", key,
                     "' must be True or False, got '", value, "'");
    return value == "True";
  }

  bool has(const std::string& name) const { return file_.find(name) != nullptr; }
  Tensor get(const std::string& name) const {
    const Tensor& x = file_.at(name);
    return (x.dtype() == DType::Int32 ? x : x.to(dtype_)).to(device_);
  }
  const safetensors::File& file() const { return file_; }
  DType dtype() const { return dtype_; }
  Device device() const { return device_; }

  // Largest |a - b| / max(|b|, 0.01) over the tensor; shapes may differ where sizes agree.
  void compare(const std::string& name, const Tensor& ours) {
    check<DataError>(bool(ours), file_.path, ": nothing here computes '", name, "'");
    const std::vector<double> a = to_vector(ours), b = to_vector(file_.at(name));
    check<DataError>(a.size() == b.size(), file_.path, ": '", name, "' is ", file_.at(name),
                     ", computed here is ", ours);
    double difference = 0, largest = 0.01;
    for (size_t i = 0; i < a.size(); ++i) {
      const double d = std::abs(a[i] - b[i]);
      difference = std::isnan(d) ? INFINITY : std::max(difference, d);
      largest = std::max(largest, std::abs(b[i]));
    }
    compared_.push_back(name);
    if (const double error = difference / largest; error > worst_ || worst_name_.empty()) {
      worst_ = error;
      worst_name_ = name;
    }
  }

  // Every result in the file must have been compared: a gradient that no check reads proves
  // nothing.
  void require_all_compared() const {
    for (const safetensors::Entry& e : file_.tensors) {
      const bool result = e.name == "y" || e.name == "loss" || e.name.starts_with("grad.") ||
                          e.name.starts_with("buffer_after.") || e.name.starts_with("step") ||
                          e.name == "losses";
      check<DataError>(!result || std::count(compared_.begin(), compared_.end(), e.name),
                       file_.path, ": '", e.name, "' belongs to nothing in this case");
    }
  }
  double worst() const { return worst_; }
  const std::string& worst_name() const { return worst_name_; }

 private:
  const safetensors::File& file_;
  DType dtype_;
  Device device_;
  std::vector<std::string> compared_;
  double worst_ = 0;
  std::string worst_name_;
};

// ---- a parameter store filled from a file ----

// The file's parameter names, to those of the published code.
std::string store_name(const std::string& golden, const Case& c) {
  std::string name = golden;
  const auto replace = [&](const std::string& from, const std::string& to) {
    // whole components only: "op." matches "mixers.0.op.", not "top."
    size_t at = 0;
    while ((at = name.find(from, at)) != std::string::npos) {
      const size_t end = at + from.size();
      const bool whole =
          (at == 0 || name[at - 1] == '.') && (end == name.size() || name[end] == '.');
      if (whole) name.replace(at, from.size(), to);
      at += whole ? to.size() : 1;
    }
  };
  const bool lra =
      c.text("rpe", "") == "lra" || (c.text("op") == "rpe" && c.text("out_norm", "") == "layer");
  const std::string rpe = c.text("op") == "rpe" ? "" : "rpe.";
  for (int i = 0; i < 16; ++i) {
    const std::string index = std::to_string(i);
    replace("mixers." + index, "layers." + index + ".gtu");
    replace("glus." + index, "layers." + index + ".glu");
    replace("mixer_norms." + index, "layers." + index + ".gtu_norm");
    replace("glu_norms." + index, "layers." + index + ".glu_norm");
    replace("hidden." + index,
            lra ? "pos" + std::to_string(i + 1) + ".1" : "layers." + index + ".2");
    replace("norms." + index, "layers." + index + ".0");
  }
  replace("inp", "pos_proj");
  replace("out_norm", lra ? "pos3.0" : "out.0");
  if (lra) replace("out", "pos3.2");
  if (!lra && (name.ends_with("out.weight") || name.ends_with("out.bias"))) replace("out", "out.2");
  if (lra) replace("rpe", "dpb");
  replace("op", "toep");
  replace("op_w", "toep1");
  replace("op_h", "toep2");
  replace("u", "u_proj");
  replace("v", "v_proj");
  replace("theta", "gamma");
  replace("conv", "conv_kernel");
  replace("alpha", "alphas");
  replace("beta", "betas");
  replace("re", c.flag("causal") ? "coeffs" : "coeffs_re");
  replace("im", "coeffs_im");
  replace("embed", "encoder");
  replace("final_norm", "norm");
  replace("head", "decoder");
  if (const size_t at = name.find("bn."); at != std::string::npos) name.erase(at, 3);
  return name;
}

const Parameter& parameter_of(const Parameters& store, const std::string& golden, const Case& c) {
  const std::string name = store_name(golden, c);
  const Parameter* p = store.find(name);
  check<DataError>(p != nullptr, c.file().path, ": parameter '", golden, "' ('", name,
                   "') does not exist here");
  return *p;
}

// Copies param.* and buffer.* of the file into the store; every trained parameter must be given.
void fill(const Parameters& store, const Case& c) {
  size_t trained = 0;
  for (const safetensors::Entry& e : c.file().tensors) {
    const bool is_parameter = e.name.starts_with("param.");
    if (!is_parameter && !e.name.starts_with("buffer.")) continue;
    const Parameter& p = parameter_of(store, e.name.substr(e.name.find('.') + 1), c);
    Tensor own = p.variable.value();
    check<DataError>(own.size() == e.tensor.size(), c.file().path, ": '", e.name, "' is ", e.tensor,
                     ", the parameter is ", own);
    const Tensor value = e.tensor.to(own.dtype());
    memory::copy(own.device(), own.raw(), value.device(), value.raw(), size_t(value.bytes()));
    trained += is_parameter;
  }
  for (const Parameter& p : store.all()) trained -= p.trained;
  check<DataError>(trained == 0, c.file().path, ": parameters are missing");
}

std::string first_name_ending(const Case& c, const std::string& ending) {
  for (const safetensors::Entry& e : c.file().tensors)
    if (e.name.starts_with("param.") && e.name.ends_with(ending)) return e.name;
  fail<DataError>(c.file().path, ": a parameter '..", ending, "' is needed");
}

template <class E>
E word(const Case& c, const std::string& key, const std::string& otherwise) {
  return value_for<E>(key.c_str(), c.text(key, otherwise));
}

RpeOptions rpe_options(const Case& c, const std::string& prefix) {
  return {.width = c.get(first_name_ending(c, "inp.weight")).size(0),
          .layers = c.integer(prefix + "layers", 2),
          .activation = word<Activation>(c, prefix + "act", "relu"),
          .norm = word<NormKind>(c, prefix + "norm", "none"),
          .residual = c.flag("residual")};
}

// The words of the files for what has other names here.
template <class T>
T translated(const Case& c, const std::string& what, const std::string& text,
             const std::map<std::string, T>& words) {
  const auto found = words.find(text);
  check<DataError>(found != words.end(), c.file().path, ": unknown ", what, " '", text, "'");
  return found->second;
}

// The options of a mixer, alone or in a block. `kind` is the file's word for it.
ModelOptions mixer_options(const Case& c, const std::string& kind) {
  ModelOptions o;
  o.mixer = translated<std::string>(
      c, "mixer", kind, {{"tno", "tno"}, {"ski", "ski"}, {"tno_fd", "fd"}, {"tno_fd_free", "fd"}});
  o.kernel.causal = c.flag("causal");
  o.kernel.gamma = c.number("gamma", 1);
  if (kind == "tno_fd_free") {
    o.fd.points = c.integer("points");
  } else if (kind == "tno_fd") {
    o.fd.heads = c.integer("heads", 1);
    o.kernel.rpe = rpe_options(c, "rpe_");
  } else if (kind == "ski") {
    const int64_t kept = c.get(first_name_ending(c, "conv")).size(1);
    o.kernel.gamma = c.number("gamma");
    o.ski = {.inducing_points = c.integer("rank"),
             .filter = o.kernel.causal ? 2 * kept - 1 : kept,
             .form = c.text("variant") == "published" ? SkiForm::Published : SkiForm::Exact,
             .warp = Warp::Gamma};
  } else {
    o.kernel.rpe = rpe_options(c, "rpe_");
    o.tno = {
        .network = c.text("rpe", "") == "lra" ? TnoNetwork::Lra : TnoNetwork::Tnn,
        .max_lag = c.integer("max_lag", 0),
        .decay = translated<Decay>(
            c, "decay", c.text("decay"),
            {{"nodecay", Decay::None}, {"decay", Decay::Fixed}, {"learned_decay", Decay::Learned}}),
        .positions = translated<Positions>(
            c, "positions", c.text("op") == "tno" ? c.text("positions", "lag") : "lag",
            {{"lag", Positions::Lag},
             {"lag/(n-1)", Positions::Scaled},
             {"exp(lag/(n-1))", Positions::Exponential}}),
        .activation = word<Activation>(c, "toeplitz_act", "none"),
        .normalize = c.flag("normalize"),
        .heads = c.integer("heads", 1)};
  }
  return o;
}

// A factor that gives this inner width.
double expansion(int64_t inner, int64_t dim) { return (double(inner) + 0.5) / double(dim); }

ModelOptions classifier_options(const Case& c) {
  ModelOptions o = mixer_options(c, c.text("mixer"));
  o.layers = c.integer("layers");
  o.dim = c.integer("d");
  o.expand = expansion(c.get(first_name_ending(c, "u.weight")).size(0), o.dim);
  o.glu_expand = expansion(c.integer("glu_inner"), o.dim);
  o.norm = word<NormKind>(c, "norm", c.text("norm"));
  o.sinusoids = c.flag("positions");
  return o;
}

InputShape input_shape(const Case& c) {
  return {.vocab = c.integer("vocab", 0),
          .features = c.integer("features", 0),
          .classes = c.integer("classes"),
          .height = c.integer("height", 0),
          .width = c.integer("width", 0)};
}

// ---- running a case ----

// Backward from the loss the file asks for, and the comparison of y, loss and grad.x.
void finish(Case& c, Tape& tape, const Variable& y, const Variable& x) {
  Variable loss;
  if (c.has("probe")) {
    // A complex y is stored as (.., 2); sum(y probe) is then Re <y, probe>, whose cotangent is the
    // probe itself.
    Tensor probe = c.get("probe");
    if (y.value().is_complex()) {
      Tensor as_complex(y.shape(), y.dtype(), y.device());
      memory::copy(y.device(), as_complex.raw(), y.device(), probe.raw(), size_t(probe.bytes()));
      probe = as_complex;
    }
    const std::vector<double> a = to_vector(y.value()), b = to_vector(probe);
    double total = 0;
    for (size_t i = 0; i < a.size(); ++i) total += a[i] * b[i];
    c.compare("loss", tensor_of(std::vector<double>{total}, {1}));
    tape.backward(y, probe);
  } else {
    loss = cross_entropy(y, c.get("labels"));
    c.compare("loss", loss.value());
    tape.backward(loss);
  }
  c.compare("y", y.value());
  if (x.requires_grad()) c.compare("grad.x", x.grad());
}

Variable input_of(const Case& c) {
  const Tensor x = c.get("x");
  return x.dtype() == DType::Int32 ? Variable(x) : Variable::leaf(x);
}

// An op that takes x and named leaves.
using Leaf = std::function<Variable(const std::string&)>;
void run_op(Case& c, const std::function<Variable(const Variable& x, const Leaf& leaf)>& op) {
  std::vector<std::pair<std::string, Variable>> leaves;
  const Variable x = input_of(c);
  Tape tape;
  const Variable y = op(x, [&](const std::string& name) {
    leaves.emplace_back(name, Variable::leaf(c.get("param." + name)));
    return leaves.back().second;
  });
  finish(c, tape, y, x);
  for (const auto& [name, leaf] : leaves) c.compare("grad.param." + name, leaf.grad());
}

void compare_store(Case& c, const Parameters& store, const std::string& prefix,
                   const std::function<Tensor(const Parameter&)>& ours) {
  for (const safetensors::Entry& e : c.file().tensors)
    if (e.name.starts_with(prefix))
      c.compare(e.name, ours(parameter_of(store, e.name.substr(prefix.size()), c)));
}

// A layer with parameters in a store.
template <class MakeLayer, class Apply>
void run_layer(Case& c, MakeLayer make, Apply apply, bool training = true) {
  Parameters store(1, c.dtype(), c.device());
  const auto layer = make(store.root());
  fill(store, c);
  store.set_training(training);
  const Variable x = input_of(c);
  Tape tape;
  finish(c, tape, apply(layer, x), x);
  compare_store(c, store, "grad.param.", [](const Parameter& p) { return p.variable.grad(); });
  compare_store(c, store, "buffer_after.", [](const Parameter& p) { return p.variable.value(); });
}

void run_mixer(Case& c, const std::string& kind) {
  const ModelOptions options = mixer_options(c, kind);
  const MixerShape shape{.channels = c.get("x").size(-1)};
  run_layer(
      c, [&](Scope s) { return mixer_named(options.mixer).make(s, shape, options); },
      [](const auto& mixer, const Variable& x) { return (*mixer)(x); });
}

Tensor full_lengths(const Tensor& x) {
  return tensor_of(std::vector<int32_t>(size_t(x.size(0)), int32_t(x.size(1))), {x.size(0)})
      .to(x.device());
}

// x of layers that take an image or tokens as they are, without a gradient of their own
void run_classifier(Case& c) {
  Parameters store(1, c.dtype(), c.device());
  const Model model(store.root(), classifier_options(c), input_shape(c));
  fill(store, c);
  Variable x = input_of(c);
  const Tensor lengths = full_lengths(x.value());
  Tape tape;
  if (model.shape.vocab > 0) {
    finish(c, tape, model(x.value(), lengths), x);
  } else {
    // The model takes its input as data; its parts give the gradient of x.
    const Variable encoded = std::get<Linear>(model.trunk.encoder)(x);
    finish(c, tape, (*model.head)(model.trunk.features(encoded), lengths), x);
  }
  compare_store(c, store, "grad.param.", [](const Parameter& p) { return p.variable.grad(); });
  compare_store(c, store, "buffer_after.", [](const Parameter& p) { return p.variable.value(); });
}

// Full-batch training; the file holds losses before, and parameters after, every step.
template <class Optimizer, class Model>
void run_training(Case& c, Parameters& store, Optimizer optimizer, const Model& model) {
  fill(store, c);
  std::vector<double> losses;
  const int64_t steps = c.file().at("losses").size();
  for (int64_t step = 1; step <= steps; ++step) {
    store.zero_grad();
    Tape tape;
    const Variable loss = cross_entropy(model(), c.get("labels"));
    losses.push_back(item(loss));
    tape.backward(loss);
    char prefix[32];
    std::snprintf(prefix, sizeof prefix, "step%02d.", int(step));
    compare_store(c, store, std::string(prefix) + "grad.",
                  [](const Parameter& p) { return p.variable.grad(); });
    optimizer.step(c.number("lr"));
    compare_store(c, store, std::string(prefix) + "param.",
                  [](const Parameter& p) { return p.variable.value(); });
  }
  c.compare("losses", tensor_of(losses, {steps}));
}

AdamOptions adam_options(const Case& c, const std::string& kind) {
  AdamOptions options{.eps = c.number("eps", 1e-8),
                      .weight_decay = c.number("weight_decay", 0),
                      .decoupled = kind == "adamw"};
  if (const std::string betas = c.text("betas", ""); !betas.empty())
    check<DataError>(std::sscanf(betas.c_str(), "(%lf, %lf)", &options.beta1, &options.beta2) == 2,
                     c.file().path, ": betas must look like (0.9, 0.999), got '", betas, "'");
  return options;
}

template <class Model>
void run_with_optimizer(Case& c, Parameters& store, const std::string& kind, const Model& model) {
  if (kind == "sgd") {
    const SgdOptions options{.momentum = c.number("momentum", 0),
                             .weight_decay = c.number("weight_decay", 0)};
    return run_training(c, store, Sgd(store, options), model);
  }
  check<DataError>(kind == "adam" || kind == "adamw", c.file().path, ": unknown optimizer '", kind,
                   "'");
  run_training(c, store, Adam(store, adam_options(c, kind)), model);
}

void run_optimizer(Case& c) {
  const Tensor w0 = c.get("param.0.weight"), w2 = c.get("param.2.weight");
  Parameters store(1, c.dtype(), c.device());
  const Linear first(store.root() / "0", w0.size(1), w0.size(0));
  const Linear second(store.root() / "2", w2.size(1), w2.size(0));
  const Variable x = c.get("x");
  run_with_optimizer(c, store, c.text("kind"), [&] { return second(silu(first(x))); });
}

void run_train(Case& c) {
  Parameters store(1, c.dtype(), c.device());
  const Model model(store.root(), classifier_options(c), input_shape(c));
  const Tensor x = c.get("x");
  run_with_optimizer(c, store, c.text("optimizer"), [&] { return model(x, full_lengths(x)); });
}

// The file has lags -(n-1) .. n-1 in order; toeplitz() wants them around a circle.
Variable circle_of_lags(const Variable& lags, int64_t n, bool causal) {
  if (causal) return lags;
  const Variable past = slice(lags, 0, n - 1, 2 * n - 1);  // 0 .. n-1
  const Variable gap = zeros({1, lags.size(1)}, lags.dtype(), lags.device());
  if (n == 1) return concat({past, gap}, 0);
  return concat({past, gap, slice(lags, 0, 0, n - 1)}, 0);
}

void run_gtu(Case& c) {
  const ModelOptions options = mixer_options(c, c.text("mixer"));
  const GtuOptions gtu_options{.dim = c.get("x").size(-1),
                               .inner = c.integer("inner"),
                               .height = c.integer("height", 0),
                               .width = c.integer("width", 0),
                               .activation = word<Activation>(c, "gate_act", c.text("gate_act"))};
  const auto make_mixer = [&](const Scope& s, const MixerShape& shape) {
    return mixer_named(options.mixer).make(s, shape, options);
  };
  run_layer(
      c, [&](Scope s) { return Gtu(s, gtu_options, make_mixer); },
      [](const Gtu& gtu, const Variable& x) { return gtu(x); });
}

// False: no such case is known here.
bool run_case(Case& c) {
  const std::string op = c.text("op");
  if (op == "activation") {
    const Activation activation = word<Activation>(c, "kind", c.text("kind"));
    run_op(c, [&](const Variable& x, const Leaf&) { return activate(activation, x); });
  } else if (op == "linear") {
    run_op(c, [&](const Variable& x, const Leaf& leaf) {
      return linear(x, leaf("weight"), c.has("param.bias") ? leaf("bias") : Variable());
    });
  } else if (op == "embedding") {
    run_op(c, [&](const Variable& x, const Leaf& leaf) {
      return embedding(x.value(), leaf("weight"));
    });
  } else if (op == "simple_rms_norm") {
    run_op(c, [&](const Variable& x, const Leaf&) { return simple_rms_norm(x, c.number("eps")); });
  } else if (op == "rms_norm") {
    run_op(c, [&](const Variable& x, const Leaf& leaf) {
      return rms_norm(x, leaf("scale"), c.number("eps"));
    });
  } else if (op == "layer_norm") {
    run_op(c, [&](const Variable& x, const Leaf& leaf) {
      const Variable weight = leaf("weight");
      return layer_norm(x, weight, leaf("bias"), c.number("eps"));
    });
  } else if (op == "batch_norm") {
    run_layer(
        c, [&](Scope s) { return BatchNorm(s, c.get("x").size(-1)); },
        [](const BatchNorm& norm, const Variable& x) { return norm(x); },
        c.text("mode") == "train");
  } else if (op == "cross_entropy") {
    run_op(c, [](const Variable& x, const Leaf&) { return x; });
  } else if (op == "pool") {
    run_op(c, [&](const Variable& x, const Leaf&) {
      return c.text("kind") == "mean" ? mean_over_length(x, c.get("lengths")) : last_position(x);
    });
  } else if (op == "depthwise_conv") {
    run_op(c, [](const Variable& x, const Leaf& leaf) {
      return conv1d(x, transpose(leaf("kernel"), 0, 1), Direction::Bidirectional);
    });
  } else if (op == "toeplitz") {
    const bool causal = c.flag("causal");
    run_op(c, [&](const Variable& x, const Leaf& leaf) {
      return toeplitz(circle_of_lags(leaf("lags"), x.size(-2), causal), x,
                      causal ? Direction::Causal : Direction::Bidirectional);
    });
  } else if (op == "causal_spectrum") {
    run_op(c, [&](const Variable& x, const Leaf&) {
      return hilbert(
          x, 2 * (x.size(0) - 1), 0,
          c.text("variant") == "published" ? CausalWindow::Published : CausalWindow::Exact);
    });
  } else if (op == "rpe") {
    const int64_t outputs = c.get("y").size(-1), m = c.get("x").size(0);
    const auto column = [m](const Variable& x) { return reshape(x, {m, 1}); };
    if (c.text("out_norm", "") == "layer" && c.text("norm") == "none")
      run_layer(
          c, [&](Scope s) { return LraRpe(s, c.integer("width"), outputs); },
          [&](const LraRpe& rpe, const Variable& x) { return rpe(column(x)); });
    else
      run_layer(
          c, [&](Scope s) { return Rpe(s, rpe_options(c, ""), outputs); },
          [&](const Rpe& rpe, const Variable& x) { return rpe(column(x)); });
  } else if (op == "tno" || op == "tno_fd" || op == "tno_fd_free" || op == "ski") {
    run_mixer(c, op);
  } else if (op == "gtu" || op == "gtu2d") {
    run_gtu(c);
  } else if (op == "glu") {
    const Activation activation = word<Activation>(c, "gate_act", c.text("gate_act"));
    run_layer(
        c, [&](Scope s) { return Glu(s, c.get("x").size(-1), c.integer("inner"), 0, activation); },
        [](const Glu& glu, const Variable& x) { return glu(x); });
  } else if (op == "classifier") {
    run_classifier(c);
  } else if (op == "optimizer") {
    run_optimizer(c);
  } else if (op == "training") {
    run_train(c);
  } else {
    return false;
  }
  c.require_all_compared();
  return true;
}

// ---- the table ----

struct Settings {
  std::string folder, only, device = "cpu";
  double tolerance64 = 1e-9, tolerance32 = 1e-4;

  static constexpr const char* kTitle = "Options";
  template <class O, class Visitor>
  static void visit(O& o, Visitor&& field) {
    field({.name = "only", .help = "Only files with this in their name"}, o.only);
    field({.name = "device", .help = kDeviceHelp, .words = device_words}, o.device);
    field({.name = "tolerance64", .help = "Tolerance in float64"}, o.tolerance64);
    field({.name = "tolerance32", .help = "Tolerance in float32"}, o.tolerance32);
  }
};

int report(const Settings& settings) {
  const Device device = device_named(settings.device);
  namespace fs = std::filesystem;
  std::error_code error;
  check<DataError>(fs::is_directory(settings.folder, error), "golden: '", settings.folder,
                   "' is not a folder");
  std::vector<std::string> paths;
  for (const auto& entry : fs::directory_iterator(settings.folder))
    if (entry.path().extension() == ".safetensors" &&
        entry.path().stem().string().find(settings.only) != std::string::npos)
      paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  check<DataError>(!paths.empty(), "golden: no .safetensors file ",
                   settings.only.empty() ? "" : "with '" + settings.only + "' in its name ", "in '",
                   settings.folder, "'");

  std::printf("%-36s %10s %10s  %s\n", "case", "float64", "float32", "largest error in");
  int missed = 0;
  for (const std::string& path : paths) {
    const std::string name = fs::path(path).stem().string();
    std::string cells, verdict, where;
    bool agrees = true;
    try {
      const safetensors::File file = safetensors::read(path);
      for (const DType dtype : {DType::Float64, DType::Float32}) {
        Case c(file, dtype, device);
        if (!run_case(c)) fail<DataError>("unknown case: op '", c.text("op"), "'");
        char cell[32];
        std::snprintf(cell, sizeof cell, " %10.1e", c.worst());
        cells += cell;
        const bool close =
            c.worst() <= (dtype == DType::Float64 ? settings.tolerance64 : settings.tolerance32);
        if (where.empty() || (agrees && !close)) where = c.worst_name();
        agrees = agrees && close;
      }
      verdict = agrees ? "" : "  MISSED";
    } catch (const Error& e) {
      agrees = false;
      verdict = std::string("  FAILED: ") + e.what();
    }
    std::printf("%-36s%s  %s%s\n", name.c_str(), cells.c_str(), where.c_str(), verdict.c_str());
    missed += !agrees;
  }
  if (missed == 0) {
    std::printf(
        "all %zu files agree (|a - b| <= %.0e max(|b|, 0.01) in float64, %.0e in float32)\n",
        paths.size(), settings.tolerance64, settings.tolerance32);
    return 0;
  }
  std::printf("%d of %zu files do not agree\n", missed, paths.size());
  return 6;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  Flags flags("Compares ops, layers and models with reference tensors.", "golden");
  flags.positional("folder", settings.folder, "Folder of .safetensors files");
  flags.add(settings);
  flags.footer(
      "Example:\n  golden tests/reference --only ski\nExit code 6 if a file does not agree.");
  return run_program(argc, argv, flags, [&] { return report(settings); });
}
