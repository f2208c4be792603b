#include "examples/train/checkpoint.h"

#include <filesystem>

#include "data/files/binary_file.h"

namespace skiff {

namespace fs = std::filesystem;

void leave_out_defaults(std::map<std::string, std::string>& metadata,
                        std::map<std::string, std::string> more) {
  more.merge(std::map<std::string, std::string>{{"train.shards", "1"},
                                                {"train.sync-norm", "false"},
                                                {"train.kernel-lr", "1"},
                                                {"train.average", "0"},
                                                {"train.init-moments", "false"},
                                                {"model.kernel-input", "linear"},
                                                {"model.glu-dropout", "true"},
                                                {"data.aan-decode", "false"}});
  for (const auto& [key, value] : more)
    if (const auto found = metadata.find(key); found != metadata.end() && found->second == value)
      metadata.erase(found);
}

namespace {
// The run that ended last in a folder of several, such as the last stage; "" if there is none.
std::string run_inside_of(const std::string& folder) {
  std::string newest;
  fs::file_time_type time;
  for (const fs::directory_entry& e : fs::directory_iterator(folder)) {
    const fs::path best = e.path() / "best.safetensors";
    if (!fs::exists(best) || (!newest.empty() && fs::last_write_time(best) < time)) continue;
    newest = e.path().string();
    time = fs::last_write_time(best);
  }
  return newest;
}
}  // namespace

CheckpointPlace checkpoint_at(const std::string& path) {
  const bool folder = is_folder(path);
  CheckpointPlace place{folder ? path + "/best.safetensors" : path,
                        folder ? path : fs::path(path).parent_path().string()};
  if (place.folder.empty()) place.folder = ".";
  check<DataError>(is_there(path), "'", path, "': there is no such run folder or checkpoint");
  const std::string inside = folder && !is_there(place.file) ? run_inside_of(path) : "";
  check<DataError>(inside.empty(), "'", path, "' is a folder of runs: name one of them, such as '",
                   inside, "'");
  check<DataError>(!folder || is_there(place.file), "'", path,
                   "' holds no best.safetensors, which the first validation of a training writes; "
                   "a checkpoint of the folder can be named in its place");
  return place;
}

std::vector<std::string> runs_in(const std::vector<std::string>& places) {
  std::vector<std::string> runs;
  for (const std::string& place : places) {
    const size_t before = runs.size();
    if (is_folder(place) && !is_there(place + "/best.safetensors"))
      for (const std::string& name : names_in(place))
        if (is_there(fs::path(place) / name / "best.safetensors"))
          runs.push_back((fs::path(place) / name).string());
    if (runs.size() == before) runs.push_back(place);
  }
  return runs;
}

}  // namespace skiff
