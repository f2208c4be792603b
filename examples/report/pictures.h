// The pictures of the documentation: drawn by `report --pictures FOLDER`, shown by
// autograd/README.md, README.md and the report.
#pragma once

#include <string>
#include <vector>

namespace skiff::report {

struct Picture {
  std::string name, title;  // of the file without .svg; what it shows, in plain words
  double width, height;
  std::string drawing;
};

Picture block_picture();  // of a network: what one block does
Picture gtu_picture();    // where the kernel goes
std::vector<Picture> pictures();

}  // namespace skiff::report
