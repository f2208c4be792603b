// A profile as a table for people and as a CSV file.
#pragma once

#include <string>

#include "autograd/profile.h"

namespace skiff {

// Time, calls and bytes of an average step; the longest rows first.
std::string profile_table(const Profile& profile);
// Totals of all steps.
std::string profile_csv(const Profile& profile);

}  // namespace skiff
