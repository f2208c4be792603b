#include "examples/evaluate/settings.h"

#include <algorithm>
#include <numeric>
#include <set>

namespace skiff {

namespace {

constexpr size_t kLongestLabel = 60;

using Texts = std::map<std::string, std::string>;

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / double(values.size());
}

std::string value_of(const Texts& options, const std::string& name) {
  const auto found = options.find(name);
  return found == options.end() ? "" : found->second;
}

// What a setting is: equal for runs that differ in their seed alone.
Texts setting_options(const ScoredRun& run) {
  Texts options = run.options;
  for (const char* name : kNoSetting) options.erase(name);
  if (run.stopped_at > 0) options["stopped-at"] = std::to_string(run.stopped_at);
  return options;
}

// Whether two settings of the same recipe differ in this option. One that a mixer does not read is
// absent.
bool differs(const std::string& option, const Texts& own, const std::string& recipe,
             const std::vector<Texts>& all, const std::vector<std::string>& recipes) {
  const auto mine = own.find(option);
  for (size_t i = 0; i < all.size(); ++i) {
    const auto other = all[i].find(option);
    if (recipes[i] == recipe && mine != own.end() && other != all[i].end() &&
        mine->second != other->second)
      return true;
  }
  return false;
}

std::string name_of(const Texts& own, const std::string& init, const std::string& recipe,
                    const std::vector<Texts>& all, const std::vector<std::string>& recipes) {
  std::string name = value_of(own, "mixer");
  if (std::set<std::string>(recipes.begin(), recipes.end()).size() > 1)
    name += ", recipe=" + recipe;
  for (const auto& [option, value] : own) {
    if (option == "mixer" || option == "stopped-at" || value.empty() ||
        !differs(option, own, recipe, all, recipes))
      continue;
    name += ", " + (option == "train_data" ? "trained on " + value
                    : option == "init"     ? "init=" + init
                                           : option + "=" + value);
  }
  if (own.count("stopped-at")) name += ", stopped at step " + value_of(own, "stopped-at");
  return name;
}

void add(Setting& s, const ScoredRun& run) {
  const double before = double(s.places.size());
  if (before == 0) {
    s.right.assign(run.right.size(), 0);
    s.parameters = run.parameters;
    s.tokens_per_second = s.peak_tensors = 0;
  }
  const auto mean = [&](double old, double v) { return (old * before + v) / (before + 1); };
  s.places.push_back(run.place);
  s.not_finite += run.not_finite;
  s.accuracies.push_back(mean_of(run.right));
  for (size_t i = 0; i < run.right.size(); ++i) s.right[i] = mean(s.right[i], run.right[i]);
  s.tokens_per_second = mean(s.tokens_per_second, run.tokens_per_second);
  s.peak_tensors = std::isnan(run.peak_tensors) ? NAN : std::max(s.peak_tensors, run.peak_tensors);
}

}  // namespace

Interval paired_difference(std::span<const double> a, std::span<const double> b) {
  std::vector<double> d(a.size());
  for (size_t i = 0; i < d.size(); ++i) d[i] = b[i] - a[i];
  const double mean = mean_of(d), count = double(d.size());
  double squares = 0;
  for (const double v : d) squares += (v - mean) * (v - mean);
  return {mean, d.size() < 2 ? NAN : 1.96 * std::sqrt(squares / (count - 1) / count)};
}

double Setting::mean() const { return mean_of(accuracies); }
double Setting::lowest() const { return *std::min_element(accuracies.begin(), accuracies.end()); }
double Setting::highest() const { return *std::max_element(accuracies.begin(), accuracies.end()); }

std::vector<Setting> settings_of(const std::vector<ScoredRun>& runs) {
  std::vector<Setting> settings;
  std::vector<Texts> options;
  std::vector<std::string> recipes, inits;
  std::map<Texts, size_t> place;                  // of a setting with these options
  std::map<size_t, std::set<std::string>> seeds;  // of each setting
  std::map<size_t, std::string> places;           // of settings that need it in their name
  for (const ScoredRun& run : runs) {
    const Texts own = setting_options(run);
    const std::string seed = value_of(run.options, "seed");
    auto found = place.find(own);
    const bool again = found != place.end() && seeds[found->second].count(seed) > 0;
    const size_t index = found == place.end() || again ? settings.size() : found->second;
    if (index == settings.size()) {
      settings.emplace_back();
      options.push_back(own);
      recipes.push_back(value_of(run.options, "recipe"));
      inits.push_back(run.init);
      if (again)
        places[index] = run.place;
      else
        place[own] = index;
    }
    seeds[index].insert(seed);
    add(settings[index], run);
  }
  for (size_t i = 0; i < settings.size(); ++i) {
    settings[i].name = name_of(options[i], inits[i], recipes[i], options, recipes);
    if (places.count(i)) settings[i].name += " (" + places[i] + ")";
    settings[i].label =
        settings[i].name.size() <= kLongestLabel ? settings[i].name : settings[i].places[0];
  }
  return settings;
}

}  // namespace skiff
