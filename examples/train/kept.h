// The small files that are kept of a run for good. They name no path of the machine: a path shrinks
// to its last component.
#pragma once

#include <string>

namespace skiff {

// config.toml of a run, with out = runs/NAME.
std::string kept_config(const std::string& config, const std::string& name);
// result.json of a run of train_lra or train_lm, with run_folder = runs/NAME. DataError if the run
// has not ended.
std::string kept_result(const std::string& result, const std::string& name);
// Whether two texts of result.json are of the same training: they may differ in times, memory,
// threads, folder, sample, and the test of the last weights, which a run of several leaves out.
bool is_same_result(const std::string& a, const std::string& b);
// metrics.csv with at most 200 rows. Rows with a validation stay, or evenly many of them where
// there are more than 200; of the others evenly many.
std::string kept_metrics(const std::string& metrics);

// Copies the three files of a run folder to KEPT/NAME, which may hold the same run already but no
// other one (with other options or another result), and returns that folder. NAME is that of the
// run folder where `name` is empty.
std::string keep_run(const std::string& run, const std::string& kept, std::string name);

// The options of a kept run, without its seed and those that change no result.
std::string configuration_of(const std::string& run);

}  // namespace skiff
