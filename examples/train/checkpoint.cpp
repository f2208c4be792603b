#include "examples/train/checkpoint.h"

#include <filesystem>

namespace skiff {

namespace fs = std::filesystem;

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
