// What bench says about its rows.
#pragma once

#include "examples/bench/measure.h"

namespace skiff::bench {

std::string json_line(const Row& r);
void print_table(const std::vector<Row>& rows, const Sizes& sizes);
// With the largest number of threads: time against n, forward and backward: the operators, and the
// pieces they are made of. "" if the rows have none of them.
std::string chart(const std::vector<Row>& rows);

}  // namespace skiff::bench
