#include "examples/train/progress.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <sstream>

#include "data/files/text_file.h"

namespace skiff {

namespace {
// A loss, where the logits of an example overflow; such an example counts as wrong.
constexpr const char* kNotFinite = "not finite";
constexpr const char *kBestLoss = "best_loss", *kAverageLoss = "best_average_loss",
                     *kAverageAccuracy = "best_average_accuracy";
}  // namespace

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text[0] == '-' ||
      value > 1000000000000000)
    return {};
  return value;
}

std::map<std::string, std::string> to_metadata(const Progress& p) {
  const auto exact = [](double v) {
    char text[64];
    std::snprintf(text, sizeof text, "%a", v);
    return std::string(text);
  };
  // The time is not here: two equal runs make equal checkpoints.
  std::map<std::string, std::string> metadata = {{"format", "skiff training state 1"},
                                                 {"step", std::to_string(p.step)},
                                                 {"position", std::to_string(p.position)},
                                                 {"best_accuracy", exact(p.best_score)},
                                                 {"best_step", std::to_string(p.best_step)},
                                                 {"validated", std::to_string(p.validated)},
                                                 {"loss_sum", exact(p.loss_sum)},
                                                 {"norm_sum", exact(p.norm_sum)},
                                                 {"correct", std::to_string(p.correct)},
                                                 {"seen", std::to_string(p.seen)},
                                                 {"summed", std::to_string(p.summed)}};
  if (p.best_step > 0)
    metadata[p.best_averaged ? kAverageLoss : kBestLoss] =
        std::isfinite(p.best_loss) ? exact(p.best_loss) : kNotFinite;
  if (p.best_averaged && !std::isnan(p.best_average_accuracy))
    metadata[kAverageAccuracy] = exact(p.best_average_accuracy);
  return metadata;
}

Progress to_progress(const safetensors::File& file) {
  const auto text = [&](const char* key) {
    const auto at = file.metadata.find(key);
    check<DataError>(at != file.metadata.end(), file.path, ": not a training checkpoint: '", key,
                     "' is missing");
    return at->second;
  };
  const auto refuse = [&](const char* key, const std::string& requirement) {
    fail<DataError>(file.path, ": '", key, "' must be ", requirement, ", got ", quoted(text(key)));
  };
  const auto count = [&](const char* key) {
    const std::optional<int64_t> value = whole_number(text(key));
    if (!value) refuse(key, "a whole number from 0 to 10^15");
    return *value;
  };
  const auto number = [&](const char* key, double least, double most) {
    const std::string value = text(key);
    char* end = nullptr;
    const double parsed = std::strtod(value.c_str(), &end);
    const bool whole = !value.empty() && end == value.c_str() + value.size();
    if (!whole || !(parsed >= least && parsed <= most)) {
      std::ostringstream range;
      range << "a number from " << least << " to " << most;
      refuse(key, range.str());
    }
    return parsed;
  };
  check<DataError>(text("format") == "skiff training state 1", file.path, ": unknown format ",
                   quoted(text("format")));
  constexpr double kLargest = std::numeric_limits<double>::max();
  Progress p;
  p.step = count("step");
  p.position = count("position");
  p.best_score = number("best_accuracy", -1, 1);
  p.best_step = count("best_step");
  p.best_averaged = file.metadata.count(kAverageLoss) > 0;
  if (const char* key = p.best_averaged ? kAverageLoss : kBestLoss; file.metadata.count(key) > 0)
    p.best_loss = text(key) == kNotFinite ? double(NAN) : number(key, 0, kLargest);
  if (p.best_averaged && file.metadata.count(kAverageAccuracy) > 0)
    p.best_average_accuracy = number(kAverageAccuracy, 0, 1);
  // Files without it were saved after the validation.
  p.validated = file.metadata.count("validated") ? count("validated") : p.step;
  p.loss_sum = number("loss_sum", -kLargest, kLargest);
  p.norm_sum = number("norm_sum", 0, kLargest);
  p.correct = count("correct");
  p.seen = count("seen");
  p.summed = count("summed");
  if (p.best_step > p.step) refuse("best_step", "a step that was taken");
  if (p.correct > p.seen) refuse("correct", "at most 'seen'");
  return p;
}

}  // namespace skiff
