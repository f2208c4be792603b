#include "examples/train/result.h"
#include "examples/program/program.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <span>
#include <sstream>

#include "core/memory.h"
#include "core/processes.h"
#include "examples/train/display.h"

namespace skiff {

namespace {

using nlohmann::ordered_json;

// f(name, value) for every number and word of a result; those of pretraining only if it is one.
template <class R, class F>
void for_each_value(R& r, const F& f) {
  f("task", r.task), f("mixer", r.mixer), f("recipe", r.recipe), f("seed", r.seed);
  f("parameters", r.parameters), f("steps", r.steps), f("best_step", r.best_step);
  f("best_val_accuracy", r.best_val), f("best_test_accuracy", r.best_test);
  f("last_val_accuracy", r.last_val), f("last_test_accuracy", r.last_test);
  f("majority_val", r.majority_val), f("majority_test", r.majority_test);
  f("train_loss", r.train_loss);
  f("best_val_loss", r.best_val_loss), f("last_val_loss", r.last_val_loss);
  f("best_test_loss", r.best_test_loss), f("last_test_loss", r.last_test_loss);
  f("validation_examples", r.val_examples), f("all_validation_examples", r.all_val_examples);
  f("test_examples", r.test_examples), f("all_test_examples", r.all_test_examples);
  if (r.val_is_test) f("validation_is_test", r.val_is_test);
  f("threads", r.threads), f("run_folder", r.folder);
  f("seconds", r.seconds), f("tokens_per_second", r.tokens_per_second);
  f("peak_tensor_bytes", r.peak.tensors), f("peak_resident_bytes", r.peak.resident);
  if (r.best_averaged) f("best_averaged", r.best_averaged);
  if (r.pretrain.empty()) return;
  f("pretrain", r.pretrain), f("mask_share", r.mask_share);
  f("constant_val_loss", r.constant_val_loss);
}

void add_groups(ordered_json& json, const Result& r) {
  for (const GroupScore& s : r.group_scores)
    json["groups"][r.groups][s.name] = {{"examples", s.examples}, {"accuracy", s.accuracy}};
}

void read_groups(const nlohmann::ordered_json& json, Result& r) {
  if (!json.contains("groups")) return;
  for (const auto& [title, scores] : json["groups"].items()) {
    r.groups = title;
    for (const auto& [name, s] : scores.items())
      r.group_scores.push_back(
          {name, s.at("examples").get<int64_t>(), s.at("accuracy").get<double>()});
  }
}

ordered_json to_json(const Result& r) {
  ordered_json json;
  for_each_value(r, [&](const char* name, const auto& value) { json[name] = value; });  // NaN: null
  json["validation_limited"] = r.val_examples < r.all_val_examples;
  json["test_limited"] = r.test_examples < r.all_test_examples;
  add_groups(json, r);
  return json;
}

// A path may hold bytes that are not UTF-8.
std::string text_of(const ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, ordered_json::error_handler_t::replace);
}

// No exceptions: a file that cannot be used is written again at the end.
ordered_json parsed(const std::string& text) {
  const ordered_json json = ordered_json::parse(text, nullptr, false);
  return json.is_object() ? json : ordered_json();
}

// "500 of 25000 validation", or "25000 validation".
std::string examples_of(int64_t count, int64_t all, const std::string& split) {
  return std::to_string(count) + (count < all ? " of " + std::to_string(all) : "") + " " + split;
}

std::string validation_examples(const Result& r) {
  return examples_of(r.val_examples, r.all_val_examples,
                     r.val_is_test ? "validation (the test split)" : "validation");
}

std::string best_weights(const Result& r) {
  return (r.best_averaged ? "best average (step " : "best weights (step ") +
         std::to_string(r.best_step) + ")";
}
std::string last_weights(const Result& r) {
  return "last weights (step " + std::to_string(r.steps) + ")";
}

void print_accuracies(const Result& r) {
  std::printf("%-28s %11s %11s\n", "accuracy", "validation", "test");
  const auto row = [](const std::string& name, double val, double test) {
    std::printf("%-28s %9.1f %% %9.1f %%\n", name.c_str(), 100 * val, 100 * test);
  };
  row(best_weights(r), r.best_val, r.best_test);
  row(last_weights(r), r.last_val, r.last_test);
  row("majority class", r.majority_val, r.majority_test);
  std::printf("on %s and %s examples\n", validation_examples(r).c_str(),
              examples_of(r.test_examples, r.all_test_examples, "test").c_str());
  std::printf("%s", group_table(r.groups + ", test", r.group_scores).c_str());
}

// Of pretraining; values have no accuracy.
void print_losses(const Result& r) {
  const bool labels = !std::isnan(r.majority_val);
  std::printf("%-28s %11s%s\n", "validation", "loss", labels ? "    accuracy" : "");
  const auto row = [&](const std::string& name, double loss, double accuracy) {
    std::printf("%-28s %11.4f", name.c_str(), loss);
    labels ? std::printf(" %9.1f %%\n", 100 * accuracy) : std::printf("\n");
  };
  row(best_weights(r), r.best_val_loss, r.best_val);
  row(last_weights(r), r.last_val_loss, r.last_val);
  row("one answer for all positions", r.constant_val_loss, r.majority_val);
  std::printf("on %s examples\n", validation_examples(r).c_str());
}

}  // namespace

PeakMemory peak_memory(Device device, const PeakMemory& before) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return {std::max(before.tensors, int64_t(memory::stats(device).peak)),
          std::max(before.resident, int64_t(usage.ru_maxrss) * 1024)};
}

PeakMemory largest_peak(const PeakMemory& mine) {
  PeakMemory largest;
  const std::vector<int64_t> ones(size_t(processes().size()), 1);
  for (const PeakMemory& peak : gather_records(processes(), std::span(&mine, 1), ones))
    largest = {std::max(largest.tensors, peak.tensors), std::max(largest.resident, peak.resident)};
  return largest;
}

std::string words_of_peak(const PeakMemory& peak) {
  char text[120];
  std::snprintf(text, sizeof text, "peak memory %.0f MB of tensors, %.0f MB resident%s",
                double(peak.tensors) / 1e6, double(peak.resident) / 1e6,
                processes().size() > 1 ? ", in the process with the most" : "");
  return text;
}

std::string result_file(const std::optional<Result>& result, const PeakMemory& peak,
                        bool only_best_test) {
  if (!result || !result->evaluated) return peak_file(peak);
  ordered_json json;
  for_each_value(*result, [&](const char* name, const auto& value) { json[name] = value; });
  json["only_best_test"] = only_best_test;
  add_groups(json, *result);
  return text_of(json, 1) + "\n";
}

std::optional<Result> result_from(const std::string& text, bool only_best_test) {
  const ordered_json json = parsed(text);
  Result result;
  try {
    if (json.at("only_best_test").get<bool>() > only_best_test) return {};
    result.best_averaged = json.value("best_averaged", false);
    result.val_is_test = json.value("validation_is_test", false);
    if (json.contains("pretrain")) json["pretrain"].get_to(result.pretrain);
    for_each_value(result, [&](const char* name, auto& value) {
      if constexpr (std::is_same_v<decltype(value), double&>)
        if (json.at(name).is_null()) return void(value = NAN);
      json.at(name).get_to(value);
    });
    read_groups(json, result);
  } catch (const nlohmann::json::exception&) {
    return {};
  }
  return result;
}

std::string peak_file(const PeakMemory& peak) {
  const ordered_json json = {{"peak_tensor_bytes", peak.tensors},
                             {"peak_resident_bytes", peak.resident}};
  return text_of(json, 1) + "\n";
}

PeakMemory peak_from(const std::string& text) {
  const ordered_json json = parsed(text);
  const auto number = [&](const char* name) {
    return json.contains(name) && json[name].is_number() ? json[name].get<int64_t>() : 0;
  };
  return {number("peak_tensor_bytes"), number("peak_resident_bytes")};
}

void print_table(const Result& r) {
  const std::string what = r.pretrain.empty() ? "" : ", pretraining " + r.pretrain;
  std::printf("%s, %s%s, recipe %s, seed %llu, %lld parameters\n", r.task.c_str(), r.mixer.c_str(),
              what.c_str(), r.recipe.c_str(), (unsigned long long)r.seed, (long long)r.parameters);
  if (r.evaluated) {
    r.pretrain.empty() ? print_accuracies(r) : print_losses(r);
  } else {
    std::printf(
        "neither validated nor tested: --profile measures the steps alone, unless --eval-every is "
        "given\n");
  }
  std::printf("trained %s, %s tokens/s (padding included), %s\n", Display::clock(r.seconds).c_str(),
              Display::thousands(r.tokens_per_second).c_str(), words_of_peak(r.peak).c_str());
  std::printf("curves: %s/curves.svg\n", r.folder.c_str());
  if (!r.pretrain.empty())
    std::printf("--init %s trains on labels from here; give it the same options of the model\n",
                argument_for(r.folder).c_str());
  if (!r.profile.empty()) std::printf("\n%s", r.profile.c_str());
}

void print_json(const Result& r) { std::printf("%s\n", text_of(to_json(r), -1).c_str()); }

void print_json(const std::vector<Result>& results) {
  ordered_json runs = ordered_json::array();
  for (const Result& r : results) runs.push_back(to_json(r));
  std::printf("%s\n", text_of(runs, -1).c_str());
}

std::string results_csv(const std::vector<Result>& results) {
  std::ostringstream out;
  out << "task,mixer,recipe,seed,test_accuracy,majority_rate,parameters,tokens_per_second,"
         "peak_tensor_bytes,seconds\n";
  for (const Result& r : results)
    out << r.task << ',' << r.mixer << ',' << r.recipe << ',' << r.seed << ','
        << number_text(r.best_test) << ',' << number_text(r.majority_test) << ',' << r.parameters
        << ',' << number_text(r.tokens_per_second) << ',' << r.peak.tensors << ','
        << number_text(r.seconds) << '\n';
  return out.str();
}

}  // namespace skiff
