#include "examples/report/run_model.h"

#include <algorithm>
#include <filesystem>

#include "examples/train/settings.h"

namespace skiff::report {
namespace {

struct Built {
  Parameters parameters;
  std::variant<std::monostate, TnnClassifier, TwoTowerClassifier> net;
  explicit Built(const Settings& s)
      : parameters(s.seed, s.dtype == "float64" ? DType::Float64 : DType::Float32) {}
  const Trunk& trunk() const {
    if (const auto* pair = std::get_if<TwoTowerClassifier>(&net)) return pair->trunk;
    return std::get<TnnClassifier>(net).trunk;
  }
};

void add_operator(RunModel& m, const Gtu& unit, int64_t layer, int64_t n) {
  const Mixer* mixer = std::get_if<Mixer>(&unit.toep);
  if (mixer == nullptr) {
    const Mixer2d& both = std::get<Mixer2d>(unit.toep);
    n = both.width;
    mixer = &both.toep1;
  }
  static const char* const names[] = {"TNO", "SKI", "FD", "FD without a network"};
  SequenceOperator op{layer, 0, n, names[mixer->op.index()],
                      [mixer](const Variable& x) { return (*mixer)(x, 1); }};
  std::visit([&](const auto& o) { op.channels = o.config.channels; }, mixer->op);
  m.operators.push_back(op);
}

RunModel model_of(const Settings& s, const std::shared_ptr<Built>& built, int64_t vocab) {
  const TaskShape& shape = task_shape(s.task);
  const TnnConfig config = model_config(s, vocab, shape.height, shape.width);
  if (shape.pairs)
    built->net.emplace<TwoTowerClassifier>(built->parameters.root(), config);
  else
    built->net.emplace<TnnClassifier>(built->parameters.root(), config);
  built->parameters.set_training(false);
  RunModel m{.task = s.task, .mixer = s.mixer, .recipe = s.recipe, .seed = s.seed};
  m.dtype = built->parameters.dtype();
  m.parameters = built->parameters.trained_count();
  m.model = built;
  const int64_t n = std::clamp<int64_t>(s.max_length, 2, 128);
  const std::vector<Block>& layers = built->trunk().layers;
  for (size_t i = 0; i < layers.size(); ++i)
    if (const Gtu* unit = std::get_if<Gtu>(&layers[i].gtu)) add_operator(m, *unit, int64_t(i), n);
  return m;
}

// Task and recipe give the defaults of the rest.
Settings settings_of(const std::string& config) {
  Settings s;
  try {
    const std::vector<ConfigEntry> entries = read_config(config);
    for (const ConfigEntry& e : entries) {
      if (e.key == "task") s.task = e.value;
      if (e.key == "recipe") s.recipe = e.value;
    }
    take_recipe(s);
    CLI::App all("", "report");
    add_options(all, s);
    apply_config(all, entries);
  } catch (const UsageError& e) {
    const std::string what = e.what();
    fail<DataError>(what.starts_with(config) ? what : config + ": " + what);
  }
  return s;
}

}  // namespace

RunModel fresh_model(uint64_t seed) {
  Settings s;
  s.seed = seed;
  take_recipe(s);
  return model_of(s, std::make_shared<Built>(s), task_shape(s.task).vocab);
}

RunModel read_model(const std::string& folder) {
  const std::string config = folder + "/config.toml", weights = folder + "/best.safetensors";
  check<DataError>(std::filesystem::exists(config), "--run: '", folder,
                   "' holds no run of train_lra: no config.toml");
  check<DataError>(std::filesystem::exists(weights), "--run: '", folder,
                   "' has no best.safetensors yet");
  const Settings s = settings_of(config);
  const safetensors::File file = safetensors::read(weights);
  const auto built = std::make_shared<Built>(s);
  RunModel m =
      model_of(s, built, task_shape(s.task).vocab > 0 ? file.at("encoder.weight").size(0) : 0);
  built->parameters.load(file, {"optimizer."});
  const auto number = [&](const char* key) {
    const auto at = file.metadata.find(key);
    check<DataError>(at != file.metadata.end(), weights, ": '", key, "' is missing");
    return std::strtod(at->second.c_str(), nullptr);
  };
  m.best_accuracy = number("best_accuracy");
  m.best_step = int64_t(number("best_step"));
  return m;
}

}  // namespace skiff::report
