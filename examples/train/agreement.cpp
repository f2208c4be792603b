#include "examples/train/agreement.h"

#include <zlib.h>

#include <cstdio>
#include <sstream>

#include "autograd/ops.h"
#include "core/blas.h"
#include "core/fft/fft.h"
#include "core/memory.h"
#include "core/processes.h"
#include "core/version.h"
#include "examples/program/signals.h"
#include "layers/mixers.h"
#include "layers/model.h"

namespace skiff {

namespace {

class Crc {
 public:
  void add(const void* bytes, size_t count) {
    if (count > 0) crc_ = ::crc32_z(crc_, static_cast<const Bytef*>(bytes), count);
  }
  void add(const Tensor& tensor) {
    const Tensor here = tensor.to(Device::CPU);
    add(here.raw(), size_t(here.bytes()));
  }
  std::string text() const {
    char text[32];
    std::snprintf(text, sizeof text, "CRC-32 %08lx", crc_);
    return text;
  }

 private:
  uLong crc_ = ::crc32_z(0, nullptr, 0);
};

// AgreedError unless all processes say the same: the first that says something else "has other
// options than" process 0, with both texts, and what follows.
void require_same(const std::string& mine, const std::string& before, const std::string& what,
                  const std::string& after, int code) {
  Processes& all = processes();
  const std::vector<std::string> said = gather(all, mine);
  for (int p = 1; p < all.size(); ++p)
    if (said[size_t(p)] != said[0])
      throw AgreedError(before + all.name(p) + " " + what + " than " + all.name(0) + ": " +
                            said[size_t(p)] + " and " + said[0] + after,
                        code);
}

// The bits of the gradients of a small model with each mixer.
std::string gradient_bits() {
  constexpr int64_t kExamples = 2, kPositions = 48;
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < kExamples * kPositions; ++i) tokens.push_back(int32_t(1 + i * 7 % 16));
  const Tensor input = tensor_of(tokens, {kExamples, kPositions});
  const Tensor lengths = tensor_of(std::vector<int32_t>{48, 37}, {kExamples});
  const Tensor labels = tensor_of(std::vector<int32_t>{0, 2}, {kExamples});
  Crc crc;
  for (const std::string& mixer : mixer_names()) {
    ModelOptions options;
    options.mixer = mixer;
    Parameters parameters(/*seed=*/1);
    const Model model(parameters.root(), options,
                      {.vocab = 17, .classes = 3, .max_length = kPositions});
    Tape tape;
    tape.backward(cross_entropy(model(input, lengths), labels));
    for (const Parameter& p : parameters.all())
      if (p.trained && p.variable.grad()) crc.add(p.variable.grad());
  }
  return crc.text();
}

}  // namespace

void together_by_host(const std::function<void()>& stage) {
  Processes& all = processes();
  const bool first = all.rank_on_host() == 0;
  for (const bool turn : {true, false})
    together(all, [&] {
      if (first == turn) stage();
    });
}

bool goes_on() {
  Processes& all = processes();
  if (all.size() > 1) {
    const int mine = noted_signal();
    const std::vector<int64_t> ones(size_t(all.size()), 1);
    for (const int noted : gather_records(all, std::span(&mine, 1), ones))
      if (noted != 0) stop_signal = noted;
  }
  return stop_signal == 0;
}

void check_same(const std::string& what, const std::string& mine) {
  require_same(mine, "", "has other " + what, "", DataError("").exit_code());
}

void check_same_start(const std::string& options) {
  if (processes().size() == 1) return;
  const int code = UsageError("").exit_code();
  require_same(std::string("skiff ") + kVersion + ", " + build_description(), "",
               "runs another build", "", code);
  Crc crc;
  crc.add(options.data(), options.size());
  require_same(crc.text(), "", "has other options", "", code);
  require_same(blas::description() + ", " + gradient_bits(), "", "computes other last bits",
               "; build with ARCH=x86-64-v3 and set OPENBLAS_CORETYPE=Haswell everywhere", code);
}

void check_same_state(const std::vector<safetensors::Entry>& state, int64_t step) {
  if (processes().size() == 1) return;
  Crc crc;
  for (const safetensors::Entry& entry : state) crc.add(entry.tensor);
  require_same(crc.text(), "step " + std::to_string(step) + ": ", "has other parameters",
               "; nothing of this step was saved", Error("").exit_code());
}

void share_values(const Parameters& parameters) {
  Processes& all = processes();
  if (all.size() == 1) return;
  for (const Parameter& p : parameters.all()) {
    Tensor value = p.variable.value();  // shares its storage
    Tensor here = value.to(Device::CPU);
    broadcast(all, static_cast<std::byte*>(here.raw()), here.bytes());
    if (here.shares_storage(value)) continue;
    memory::copy(value.device(), value.raw(), Device::CPU, here.raw(), size_t(value.bytes()));
  }
}

}  // namespace skiff
