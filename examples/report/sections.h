// The sections of the report. Each function computes what its templates show.
#pragma once

#include <cstdint>
#include <string>

#include "examples/report/page.h"

namespace skiff::report {

void add_network(Page& page);                                               // network.cpp
void add_toeplitz(Page& page, uint64_t seed);                               // toeplitz.cpp
void add_ski(Page& page, uint64_t seed);                                    // ski.cpp
void add_warp(Page& page);                                                  // ski_warp.cpp
void add_published_w(Page& page);                                           // ski_published.cpp
void add_errors(Page& page);                                                // errors.cpp
void add_fd(Page& page);                                                    // fd.cpp
void add_gradients(Page& page, uint64_t seed);                              // gradients.cpp
void add_tape(Page& page);                                                  // tape.cpp
void add_mutants(Page& page, const std::string& file);                      // mutants.cpp
void add_learned(Page& page, const std::string& folder, uint64_t seed);     // learned.cpp
std::string training(Page& page, const std::string& folder);                // training.cpp
void add_generation(Page& page, const std::string& folder, uint64_t seed);  // generation.cpp
void add_cost(Page& page, const std::string& file);                         // cost.cpp

// Read what is given before anything is computed, so that a wrong file is found at once.
void check_run(const std::string& folder);
void check_metrics(const std::string& folder);
void check_mutants(const std::string& file);
void check_bench(const std::string& file);
void check_text_run(const std::string& folder);

}  // namespace skiff::report
