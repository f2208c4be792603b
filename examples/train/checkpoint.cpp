#include "examples/train/checkpoint.h"

#include <filesystem>

namespace skiff {

namespace fs = std::filesystem;

void leave_out_defaults(std::map<std::string, std::string>& metadata,
                        std::map<std::string, std::string> more) {
  more.merge(std::map<std::string, std::string>{{"train.shards", "1"},
                                                {"train.sync-norm", "false"},
                                                {"train.kernel-lr", "1"},
                                                {"train.average", "0"},
                                                {"train.init-moments", "false"},
                                                {"model.kernel-input", "linear"}});
  for (const auto& [key, value] : more)
    if (const auto found = metadata.find(key); found != metadata.end() && found->second == value)
      metadata.erase(found);
}

CheckpointPlace checkpoint_at(const std::string& path) {
  const bool folder = fs::is_directory(path);
  CheckpointPlace place{folder ? path + "/best.safetensors" : path,
                        folder ? path : fs::path(path).parent_path().string()};
  if (place.folder.empty()) place.folder = ".";
  check<DataError>(fs::exists(path), "'", path, "': there is no such run folder or checkpoint");
  check<DataError>(!folder || fs::exists(place.file), "'", path,
                   "' holds no best.safetensors, which the first validation of a training writes; "
                   "a checkpoint of the folder can be named in its place");
  return place;
}

}  // namespace skiff
