// The long checks (`make test-slow`): many shapes, full sizes, a program killed again and again.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <sys/wait.h>
#include <unistd.h>

#include "core/io/safetensors.h"
#include "examples/train/recipes.h"
#include "layers/model.h"
#include "tests/support/testing.h"

using namespace skiff;
using namespace skiff::testing;
namespace fs = std::filesystem;

namespace {

double inner(const Tensor& a, const Tensor& b) {
  const std::vector<double> x = to_vector(a), y = to_vector(b);
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}
double norm(const Tensor& a) { return std::sqrt(inner(a, a)); }

// <A v, gy> = <v, A^T gy> for an op that is linear in its one input.
template <class F>
void check_adjoint(const Tensor& v, uint64_t seed, const F& op) {
  const Variable leaf = Variable::leaf(v);
  Tape tape;
  const Variable y = op(leaf);
  const Tensor gy = random_normal(y.shape(), y.dtype(), seed);
  const double left = inner(y.value(), gy);
  tape.backward(y, gy);
  const double right = inner(v, leaf.grad());
  CHECK(std::abs(left - right) <= 1e-12 * norm(v) * norm(leaf.grad()));
}

}  // namespace

TEST_CASE("slow: adjoint tests of the sequence ops over hundreds of random shapes") {
  const std::vector<int64_t> lengths = {1, 2, 3, 5, 7, 16, 17, 31, 64, 97, 128, 1000};
  Random random(20260101);
  for (int round = 0; round < 240; ++round) {
    CAPTURE(round);
    const int64_t n = lengths[size_t(random.below(int64_t(lengths.size())))];
    const int64_t B = 1 + random.below(3), D = 1 + random.below(20), G = 1 + random.below(3);
    const bool image = random.below(3) == 0, causal = random.below(2) == 0;
    const int64_t axis = image ? -3 : -2;
    const Shape shape = image ? Shape{B, n, G, D} : Shape{B, n, D};
    const uint64_t seed = uint64_t(round);
    const Tensor x = random64(shape, seed);
    const int64_t F = 1 + random.below(2 * n + 4), m = 1 + random.below(2 * n + 1),
                  r = 2 + random.below(n + 3);
    CAPTURE(n);
    CAPTURE(F);
    CAPTURE(r);
    check_adjoint(x, seed, [&](const Variable& v) { return rfft(v, F, axis); });
    check_adjoint(complex128(shape.with(axis, F / 2 + 1), seed), seed,
                  [&](const Variable& v) { return irfft(v, F, axis); });
    check_adjoint(random64(shape.with(axis, F / 2 + 1), seed), seed, [&](const Variable& v) {
      return hilbert(v, F, axis, causal ? CausalWindow::Published : CausalWindow::Exact);
    });
    const Tensor S = complex128({(F + n) / 2 + 1, D}, seed);
    check_adjoint(x, seed, [&](const Variable& v) { return spectral_conv(v, S, F + n, axis); });
    check_adjoint(S, seed, [&](const Variable& v) { return spectral_conv(x, v, F + n, axis); });
    const Direction direction = causal ? Direction::Causal : Direction::Bidirectional;
    const Tensor t = random64({causal ? n : 2 * n, D}, seed);
    check_adjoint(x, seed, [&](const Variable& v) { return toeplitz(t, v, direction, axis); });
    check_adjoint(t, seed, [&](const Variable& v) { return toeplitz(v, x, direction, axis); });
    const Tensor c = random64({2 * random.below(8) + 1, D}, seed);
    check_adjoint(x, seed, [&](const Variable& v) { return conv1d(v, c, direction, axis); });
    check_adjoint(c, seed, [&](const Variable& v) { return conv1d(x, v, direction, axis); });
    check_adjoint(x, seed, [&](const Variable& v) { return interpolate_adjoint(v, {n, r}, axis); });
    check_adjoint(random64(shape.with(axis, r), seed), seed, [&](const Variable& v) {
      return interpolate(v, {n, r}, axis);
    });
    for (const Resize mode : {Resize::AlignedEnds, Resize::HalfPixel})
      check_adjoint(x, seed, [&](const Variable& v) { return linear_resize(v, m, mode, axis); });
  }
}

TEST_CASE(
    "slow: the paper's ListOps models give the same loss and gradients in float32 and float64") {
  Options options = recipe_named("paper", "listops").options;
  options.model.encoder_dropout = 0;
  const InputShape shape{.vocab = 18, .classes = 10, .max_length = options.data.max_length};
  Random random(1);
  Tensor tokens({2, 700}, DType::Int32);
  for (int64_t i = 0; i < tokens.size(); ++i)
    tokens.data<int32_t>()[i] = int32_t(2 + random.below(16));
  const Tensor lengths = tensor_of(std::vector<int32_t>{700, 501}, {2});
  const Tensor labels = tensor_of(std::vector<int32_t>{3, 9}, {2});
  for (const std::string mixer : {"tno", "ski", "fd"}) {
    CAPTURE(mixer);
    options.model.mixer = mixer;
    std::vector<double> losses, norms;
    for (const DType dtype : {DType::Float32, DType::Float64}) {
      Parameters store(1, dtype);
      const Model model(store.root(), options.model, shape);
      Tape tape;
      const Variable loss = cross_entropy(model(tokens, lengths), labels);
      losses.push_back(item(loss));
      tape.backward(loss);
      double squares = 0;
      for (const Parameter& p : store.all())
        if (p.trained) squares += inner(p.variable.grad(), p.variable.grad());
      norms.push_back(std::sqrt(squares));
    }
    CHECK(losses[0] == doctest::Approx(losses[1]).epsilon(1e-4));
    CHECK(norms[0] ==
          doctest::Approx(norms[1]).epsilon(1e-2));  // batch norm over 1400 rows amplifies
  }
}

TEST_CASE(
    "slow: killed without warning, a run always goes on from a whole checkpoint to the same end") {
  const char* folder = std::getenv("SKIFF_PROGRAMS");
  const std::string programs = folder ? folder : "build/cpu";
  std::string place = (fs::temp_directory_path() / "skiff-kill-XXXXXX").string();
  REQUIRE(::mkdtemp(place.data()) != nullptr);
  REQUIRE(
      std::system((programs + "/lra_data generate listops --out " + place +
                   "/data/listops --train 100 --val 20 --test 20 --min-length 2 --max-length 20 >" +
                   place + "/log 2>&1")
                      .c_str()) == 0);
  const auto command = [&](const std::string& out, const std::string& more) {
    return "exec " + programs + "/train_lra --data " + place + "/data --out " + place + "/" + out +
           " --dim 8 --layers 1 --batch-size 8 --steps 600 --max-length 32 --save-every 3 "
           "--eval-every 100 "
           "--quiet " +
           more + " >" + place + "/log 2>&1";
  };
  const auto bytes = [&](const std::string& name) {
    std::ifstream in(place + "/" + name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  REQUIRE(std::system(command("whole", "").c_str()) == 0);
  Random random(5);
  bool started = false, finished = false;
  for (int kills = 0; kills < 60 && !finished; ++kills) {
    CAPTURE(kills);
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl("/bin/sh", "sh", "-c", command("killed", started ? "--resume" : "--force").c_str(),
              nullptr);
      ::_exit(127);
    }
    ::usleep(useconds_t(20000 + random.below(150000)));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status)) {
      CHECK(WEXITSTATUS(status) == 0);
      finished = true;
    }
    std::error_code none_yet;  // on a busy machine it was killed before it made its folder
    for (const auto& entry : fs::directory_iterator(place + "/killed", none_yet))
      if (entry.path().extension() == ".safetensors") {
        safetensors::read(entry.path().string());  // throws if it is not whole
        started = started || entry.path().filename().string().starts_with("ckpt-");
      }
  }
  if (!finished) REQUIRE(std::system(command("killed", "--resume").c_str()) == 0);
  CHECK((bytes("killed/ckpt-00000600.safetensors") == bytes("whole/ckpt-00000600.safetensors")));
  fs::remove_all(place);
}
