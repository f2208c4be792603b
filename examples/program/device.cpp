#include "examples/program/device.h"

#include <cstdio>

#include "core/memory.h"
#include "core/options.h"
#include "core/processes.h"

namespace skiff {

std::vector<std::string> device_words() { return {"cpu", "cuda", "auto"}; }

Device device_named(const std::string& name, std::string& note) {
  check_word("device", name, device_words());
  note.clear();
  if (name == "cpu") return Device::CPU;
  memory::choose_cuda_device(processes().rank_on_host());
  if (memory::cuda_available()) return Device::CUDA;
  const std::string reason = memory::cuda_unavailable_reason();
  check<UsageError>(name == "auto", "--device cuda: ", reason,
                    "; --device auto takes the CPU then");
  note = "--device auto: the CPU, because " + reason;
  return Device::CPU;
}

Device device_named(const std::string& name) {
  std::string note;
  const Device device = device_named(name, note);
  if (!note.empty()) std::fprintf(stderr, "%s\n", note.c_str());
  return device;
}

}  // namespace skiff
