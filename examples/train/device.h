// --device of the programs: where tensors live and ops compute.
#pragma once

#include <string>

#include "core/device.h"
#include "core/memory.h"
#include "examples/train/program.h"

namespace skiff {

inline CLI::Option* add_device_option(CLI::App& app, std::string& device) {
  return app.add_option("--device", device, "cpu, cuda, or auto: cuda where it can be used")
      ->capture_default_str();
}

// `note` becomes the line that says why auto is the CPU; "" otherwise.
inline Device device_named(const std::string& name, std::string& note) {
  check<UsageError>(name == "cpu" || name == "cuda" || name == "auto",
                    "--device: must be cpu, cuda or auto, got '", name, "'",
                    suggestion(name, {"cpu", "cuda", "auto"}));
  note.clear();
  if (name == "cpu") return Device::CPU;
  if (memory::cuda_available()) return Device::CUDA;
  const std::string reason = memory::cuda_unavailable_reason();
  check<UsageError>(name == "auto", "--device cuda: ", reason,
                    "; --device auto takes the CPU then");
  note = "--device auto: the CPU, because " + reason;
  return Device::CPU;
}
inline Device device_named(const std::string& name) {  // says it on stderr
  std::string note;
  const Device device = device_named(name, note);
  if (!note.empty()) std::fprintf(stderr, "%s\n", note.c_str());
  return device;
}

}  // namespace skiff
