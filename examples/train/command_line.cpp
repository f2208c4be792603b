#include "examples/train/command_line.h"

#include <filesystem>

#include "data/files/binary_file.h"

namespace skiff {

namespace fs = std::filesystem;

std::string folder_of(const std::string& file) {
  const std::string folder = fs::path(file).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::string clean_path(const std::string& path) {
  std::string clean = fs::path(path).lexically_normal().string();
  while (clean.size() > 1 && clean.back() == '/') clean.pop_back();
  return clean;
}

bool is_options_of_run(const std::string& config) {
  const std::string name = fs::path(config).filename().string(), folder = folder_of(config);
  return (name == "config.toml" || name == kOptionsOfSeveral) &&
         (is_there(folder + "/lock") || is_there(folder + "/best.safetensors"));
}

std::string config_file(const SessionOptions& session, const std::string& out) {
  const std::string& given = session.config;
  const std::string folder = given.empty() && session.resume ? out : given;
  if (folder.empty() || !is_folder(folder)) return given;
  for (const char* name : {"config.toml", kOptionsOfSeveral})
    if (is_file(folder + "/" + name)) return folder + "/" + name;
  check<UsageError>(given.empty(), "--config: '", given,
                    "' must be a file or a run folder; it has no config.toml");
  return "";
}

}  // namespace skiff
