// The commands of lra_data, one function each; they return the exit code of the program. The tasks
// that they know are those of data/tasks.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/tasks/listops.h"

namespace skiff {

struct GenerateListops {
  std::string out;
  uint64_t seed = 1;
  listops::Counts counts;
  listops::Limits limits;
  bool force = false;
};

int generate_listops(const GenerateListops& settings);

struct GeneratePathfinder {
  std::string out;
  uint64_t seed = 1;
  int64_t size = 32, count = 10000, per_batch = 1000;
  std::vector<int64_t> contours = {14}, distractors = {-1};  // -1: as in the benchmark
  bool force = false, numpy = false, fair_places = false, single_dashes = false;
};

int generate_pathfinder(const GeneratePathfinder& settings);

// Reads every row of every task in a folder, or in an archive, and prints what is there.
int check_folder(const std::string& folder);

struct Show {
  std::string task, folder, split = "train", png;
  int64_t count = 3, length = 400;
};

// Prints examples as the model sees them, or writes images to a sheet.
int show_examples(const Show& show);

}  // namespace skiff
