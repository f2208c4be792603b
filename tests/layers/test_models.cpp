// Models: parameter counts and names, residual blocks, checkpoints in memory, a tiny batch fitted.
#include "autograd/recompute.h"
#include "core/memory.h"
#include "examples/train/recipes.h"
#include "layers/blocks/gtu.h"
#include "layers/mixers.h"
#include "layers/model.h"
#include "optim/adam.h"
#include "optim/clip.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;

TEST_CASE("models: parameter counts of every task and mixer are those of the published sizes") {
  struct Row {
    const char* task;
    InputShape shape;
    std::array<int64_t, 3> counts;  // tno, ski, fd
  };
  const std::vector<Row> rows = {
      {"listops", {.vocab = 18, .classes = 10, .max_length = 2048}, {428042, 484618, 448906}},
      {"text", {.vocab = 135, .classes = 2, .max_length = 4096}, {639618, 696194, 660482}},
      {"retrieval",
       {.vocab = 98, .classes = 2, .max_length = 4000, .pairs = true},
       {89218, 106434, 91874}},
      {"image",
       {.features = 1, .classes = 10, .height = 32, .width = 32},
       {3094538, 3473162, 3185162}},
      {"pathfinder32",
       {.features = 1, .classes = 2, .height = 32, .width = 32},
       {458882, 599042, 491138}},
      {"pathx",
       {.features = 1, .classes = 2, .height = 128, .width = 128},
       {458882, 599042, 491138}}};
  for (const Row& row : rows) {
    CAPTURE(std::string(row.task));
    ModelOptions options = recipe_named("paper", row.task).options.model;
    std::vector<int64_t> counts;
    for (const char* mixer : {"tno", "ski", "fd"}) {
      options.mixer = mixer;
      Parameters store(1);
      const Model model(store.root(), options, row.shape);
      counts.push_back(store.trained_count());
    }
    CHECK(counts == std::vector<int64_t>(row.counts.begin(), row.counts.end()));
  }
}

TEST_CASE("models: names and shapes are those of the published state_dict") {
  const auto shapes_with = [](const MakeMixer& make) {
    Parameters store(1);
    Gtu(store.root() / "gtu", {.dim = 4, .inner = 6, .train_length = 9}, make);
    std::map<std::string, Shape> names;
    for (const Parameter& p : store.all()) names[p.name] = p.variable.shape();
    return names;
  };
  const std::map<std::string, Shape> common = {
      {"gtu.u_proj.weight", {6, 4}}, {"gtu.u_proj.bias", {6}}, {"gtu.v_proj.weight", {6, 4}},
      {"gtu.v_proj.bias", {6}},      {"gtu.o.weight", {4, 6}}, {"gtu.o.bias", {4}}};
  const auto with = [&](std::map<std::string, Shape> more) {
    more.insert(common.begin(), common.end());
    return more;
  };
  CHECK(shapes_with(maker_of<Tno>(
            KernelOptions{.rpe = {.width = 8, .layers = 1}},
            TnoOptions{.network = TnoNetwork::Tnn, .decay = Decay::Learned, .heads = 2})) ==
        with({{"gtu.toep.rpe.pos_proj.weight", {8, 1}},
              {"gtu.toep.rpe.pos_proj.bias", {8}},
              {"gtu.toep.rpe.layers.0.2.weight", {8, 8}},
              {"gtu.toep.rpe.layers.0.2.bias", {8}},
              {"gtu.toep.rpe.out.2.weight", {6, 8}},
              {"gtu.toep.rpe.out.2.bias", {6}},
              {"gtu.toep.gamma", {2, 1, 3}}}));
  CHECK(shapes_with(
            maker_of<Tno>(KernelOptions{.rpe = {.width = 8}}, TnoOptions{.decay = Decay::None})) ==
        with({{"gtu.toep.dpb.pos_proj.weight", {8, 1}},
              {"gtu.toep.dpb.pos_proj.bias", {8}},
              {"gtu.toep.dpb.pos1.1.weight", {8, 8}},
              {"gtu.toep.dpb.pos1.1.bias", {8}},
              {"gtu.toep.dpb.pos2.1.weight", {8, 8}},
              {"gtu.toep.dpb.pos2.1.bias", {8}},
              {"gtu.toep.dpb.pos3.0.weight", {8}},
              {"gtu.toep.dpb.pos3.0.bias", {8}},
              {"gtu.toep.dpb.pos3.2.weight", {6, 8}},
              {"gtu.toep.dpb.pos3.2.bias", {6}}}));
  CHECK(shapes_with(
            maker_of<SkiTno>(KernelOptions{}, SkiOptions{.inducing_points = 5, .filter = 4})) ==
        with({{"gtu.toep.conv_kernel", {6, 5}},
              {"gtu.toep.alphas", {1, 6, 1, 5}},
              {"gtu.toep.betas", {1, 6, 1, 5}},
              {"gtu.toep.gamma", {}}}));
  CHECK(shapes_with(maker_of<SkiTno>(KernelOptions{.causal = true},
                                     SkiOptions{.inducing_points = 5, .filter = 5})) ==
        with({{"gtu.toep.conv_kernel", {6, 3}},
              {"gtu.toep.alphas", {1, 6, 1, 5}},
              {"gtu.toep.gamma", {}}}));
  CHECK(shapes_with(maker_of<FdTnoFree>(KernelOptions{}, FdOptions{.points = 7})) ==
        with({{"gtu.toep.dc", {6, 1}},
              {"gtu.toep.coeffs_re", {6, 7}},
              {"gtu.toep.coeffs_im", {6, 7}}}));
}

namespace {
// Options of a small model for each mixer, and for fd without a network.
std::vector<ModelOptions> small_models() {
  std::vector<ModelOptions> all;
  ModelOptions o{.layers = 1,
                 .dim = 8,
                 .glu_expand = 1,
                 .norm = NormKind::Layer,
                 .kernel = {.gamma = 0.9, .rpe = {.width = 8, .layers = 1}},
                 .tno = {.network = TnoNetwork::Tnn},
                 .ski = {.inducing_points = 4, .filter = 3, .scaled = true}};
  for (const MixerEntry& entry : mixers()) {
    o.mixer = entry.name;
    all.push_back(o);
  }
  o.mixer = "fd";
  o.fd.points = 4;
  all.push_back(o);
  return all;
}
const InputShape kSmallShape{.vocab = 7, .classes = 3, .max_length = 12};
Tensor ids(int64_t B, int64_t n, int64_t limit, uint64_t seed) {
  Random random(seed);
  Tensor x({B, n}, DType::Int32);
  for (int64_t i = 0; i < x.size(); ++i) x.data<int32_t>()[i] = int32_t(random.below(limit));
  return x;
}
}  // namespace

TEST_CASE("models: every mixer fits a tiny batch to near zero loss, pre-norm and post-norm") {
  const Tensor tokens = ids(6, 12, 7, 1), labels = ids(6, 1, 3, 2).reshape({6});
  const Tensor lengths = tensor_of(std::vector<int32_t>{12, 12, 5, 7, 12, 1}, {6});
  for (ModelOptions options : small_models())
    for (const bool postnorm : {false, true}) {
      CAPTURE(options.mixer);
      CAPTURE(postnorm);
      options.postnorm = postnorm;
      Parameters store(4);
      const Model model(store.root(), options, kSmallShape);
      Adam optimizer(store, {});
      double loss = 0;
      for (int step = 0; step < 150; ++step) {
        store.zero_grad();
        Tape tape;
        tape.check_unchanged();
        const Variable l = cross_entropy(model(tokens, lengths), labels);
        loss = item(l);
        tape.backward(l);
        optimizer.step(0.01);
      }
      CHECK(loss < 0.02);
    }
}

TEST_CASE("models: the two towers are one shared encoder on stacked documents") {
  Parameters store(4, DType::Float64);
  InputShape shape = kSmallShape;
  shape.pairs = true;
  const Model model(store.root(), small_models()[0], shape);
  const PairHead& head = dynamic_cast<const PairHead&>(*model.head);
  const Tensor documents = ids(6, 12, 7, 1);
  const Tensor lengths = tensor_of(std::vector<int32_t>{12, 3, 5, 7, 12, 1}, {6});
  const Variable logits = model(documents, lengths);
  CHECK(logits.shape() == Shape{3, 3});
  const Variable h = mean_over_length(model.trunk(documents), lengths);
  const Variable a = slice(h, 0, 1, 2), b = slice(h, 0, 4, 5);
  const Variable pair = head.decoder2(gelu(head.decoder1(concat({a, b, a - b, a * b}, 1))));
  CHECK(distance(pair.value(), slice(logits, 0, 1, 2).value()) < 1e-13);
  CHECK(contains(message_of([&] {
                   model(ids(3, 12, 7, 1), tensor_of(std::vector<int32_t>{12, 12, 12}, {3}));
                 }),
                 "documents come in pairs"));
}

TEST_CASE("models: a parameter's first value depends on its name and the seed alone") {
  Parameters a(1), b(1), c(2);
  const Linear first(a.root() / "x", 3, 2), other(b.root() / "before", 5, 5);
  const Linear second(b.root() / "x", 3, 2), third(c.root() / "x", 3, 2);
  CHECK(to_vector(first.weight.value()) == to_vector(second.weight.value()));
  CHECK(to_vector(first.weight.value()) != to_vector(third.weight.value()));
  CHECK(
      contains(message_of([&] { Linear(a.root() / "x", 3, 2); }), "the name 'x.weight' is taken"));
}

TEST_CASE("models: loading lists every wrong name at once and changes nothing") {
  Parameters store(1);
  const Linear layer(store.root() / "a", 3, 2);
  const std::vector<double> before = to_vector(layer.weight.value());
  safetensors::File file;
  file.path = "x.safetensors";
  file.tensors = {{"a.weight", zeros({2, 4}, DType::Float32)},
                  {"b", zeros({1}, DType::Float32)},
                  {"optimizer.m.a", zeros({1}, DType::Float32)}};
  const std::string message = message_of([&] { store.load(file, {"optimizer."}); });
  CAPTURE(message);
  CHECK(contains(message, "x.safetensors: not a checkpoint of this model"));
  CHECK(contains(message, "'a.weight' is float32 (2, 4), expected float32 (2, 3)"));
  CHECK(contains(message, "missing 'a.bias' (2)"));
  CHECK(contains(message, "unknown 'b'"));
  CHECK_FALSE(contains(message, "optimizer"));
  CHECK(to_vector(layer.weight.value()) == before);
  file.tensors = store.values();
  file.tensors[0].tensor = zeros({2, 3}, DType::Float32);
  for (safetensors::Entry& e : file.tensors) e.name = "model.part." + e.name;
  CHECK(contains(message_of([&] { store.load(file); }), "unknown 'model.part.a.weight'"));
  store.load(with_prefixes(file, {{"other.", ""}, {"model.part.", ""}}));
  CHECK(to_vector(layer.weight.value()) == std::vector<double>(6, 0));
}

TEST_CASE("models: dropout and batch statistics follow the training flag and the step") {
  Parameters store(4);
  ModelOptions options = small_models()[0];
  options.norm = NormKind::Batch;
  options.encoder_dropout = 0.5;
  const Model model(store.root(), options, kSmallShape);
  const Tensor tokens = ids(4, 12, 7, 1),
               lengths = tensor_of(std::vector<int32_t>{12, 12, 12, 12}, {4});
  const auto logits = [&] { return to_vector(model(tokens, lengths).value()); };
  const std::vector<double> first = logits();
  CHECK(logits() == first);  // the same step draws the same mask
  store.set_step(1);
  CHECK(logits() != first);
  store.set_training(false);
  const std::vector<double> quiet = logits();
  store.set_step(2);
  CHECK(logits() == quiet);
}

TEST_CASE(
    "recompute: a model that keeps its blocks' inputs only trains to the same bits in less "
    "memory") {
  for (const NormKind norm : {NormKind::Batch, NormKind::Layer}) {
    const auto train = [&](bool again) {
      Parameters store(3);
      const ModelOptions options{.layers = 4,
                                 .dim = 16,
                                 .glu_expand = 2,
                                 .norm = norm,
                                 .dropout = 0.2,
                                 .encoder_dropout = 0.1,
                                 .ski = {.inducing_points = 4, .filter = 3},
                                 .checkpoint_activations = again};
      const Model model(store.root(), options, {.vocab = 11, .classes = 3, .max_length = 40});
      Adam adam(store, {.weight_decay = 0.01});
      const Tensor input = tensor_of(std::vector<int32_t>(4 * 40, 5), {4, 40}),
                   lengths = tensor_of(std::vector<int32_t>{40, 3, 17, 40}, {4}),
                   labels = tensor_of(std::vector<int32_t>{0, 2, 1, 1}, {4});
      const int64_t live = memory::stats(Device::CPU).live;
      memory::reset_peak(Device::CPU);
      std::vector<double> seen;
      for (int step = 0; step < 3; ++step) {
        store.set_step(uint64_t(step));
        store.zero_grad();
        Tape tape;
        tape.check_unchanged();
        const Variable loss = cross_entropy(model(input, lengths), labels);
        tape.backward(loss);
        adam.step(1e-2);
        seen.push_back(item(loss));
      }
      const int64_t peak = memory::stats(Device::CPU).peak - live;
      for (const Parameter& p : store.all())  // the running statistics too
        for (const double v : to_vector(p.variable.value())) seen.push_back(v);
      return std::pair(seen, peak);
    };
    const auto [plain, plain_peak] = train(false);
    const auto [again, again_peak] = train(true);
    CHECK(plain == again);
    CHECK(double(again_peak) < 0.6 * double(plain_peak));
  }
}

TEST_CASE("recompute: a number that is not finite is traced to the op that made it") {
  const Variable w = Variable::leaf(tensor_of(std::vector<double>{1, 0}, {2}));
  Tape tape;
  tape.check_finite();
  const auto f = [&](const Variable& x) { return exp(x) / w; };
  CHECK_THROWS_WITH_AS(recompute(f, Variable::leaf(tensor_of(std::vector<double>{1, 2}, {2}))),
                       doctest::Contains("div: the output"), NumericalError);
}

TEST_CASE("recompute: a function that hands its input on, and one that does not look at it") {
  const Variable x = Variable::leaf(random64({3}, 1)), w = Variable::leaf(random64({3}, 2));
  const auto gradients = [&](const std::function<Variable(const Variable&)>& f) {
    x.zero_grad();
    w.zero_grad();
    Tape tape;
    tape.backward(sum(recompute(f, 2.0 * x)));
    return std::pair(to_vector(x.grad()), w.grad() ? to_vector(w.grad()) : std::vector<double>());
  };
  const std::vector<double> none(3, 0.0), ones(3, 1.0), twos(3, 2.0);
  CHECK(gradients([](const Variable& v) { return v; }) == std::pair(twos, std::vector<double>()));
  CHECK(gradients([&](const Variable&) { return 1.0 * w; }) == std::pair(none, ones));
  CHECK(gradients([&](const Variable&) { return Variable(w.value()); }).first == none);
  CHECK_THROWS_WITH_AS(gradients([&](const Variable&) { return w; }),
                       doctest::Contains("recompute: f returned a leaf"), Error);
  // The same after it has looked at something.
  const auto looks = [](const Variable& v, const Variable& result) {
    item(sum(v * v));
    return result;
  };
  CHECK(gradients([&](const Variable& v) { return looks(v, v); }).first == twos);
  CHECK_THROWS_WITH_AS(gradients([&](const Variable& v) { return looks(v, w); }),
                       doctest::Contains("recompute: f returned a leaf"), Error);
}
