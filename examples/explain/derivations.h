// What the files of ops say about themselves, as text for `explain` and `report`: the derivations
// on top of them, and the plain references in them. derivations.awk makes the table from the
// sources when the programs are built.
#pragma once

#include <string>
#include <vector>

namespace skiff {

struct Derivation {
  std::string file;                     // "autograd/ops/spectral/rfft.cpp"
  std::vector<std::string> ops;         // that the file defines
  std::vector<std::string> references;  // the source of each op's reference(); "" without one
  std::string text;                     // the comment on top without its slashes
  std::string family() const;           // "spectral"
};
const std::vector<Derivation>& derivations();

const Derivation* derivation_of(const std::string& op);  // null if no file defines it
std::string reference_of(const std::string& op);         // "" if it has none

// Lines of at most `columns`. Paragraphs, which start at the margin, are filled; of an indented
// line (a formula) what does not fit goes on below, two columns further in.
std::string filled(const std::string& text, size_t columns, const std::string& margin = "");

}  // namespace skiff
