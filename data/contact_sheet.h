// Many small images on one page.
#pragma once

#include <string>
#include <vector>

#include "data/task.h"

namespace skiff {

// Writes a PNG with the examples in rows of `columns`, the ones of a class together and a wide gap
// between two classes, from class 0 down. Tokens are gray values, height * width of them; small
// images are enlarged by a whole factor.
void write_contact_sheet(const std::vector<Example>& examples, int64_t height, int64_t width,
                         int64_t columns, const std::string& path);

}  // namespace skiff
