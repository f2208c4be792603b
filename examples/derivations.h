// The derivations that stand on top of the files of ops, as text: what `explain` and `report` show.
// derivations.awk makes the definition from the sources when the programs are built.
#pragma once

#include <string>
#include <vector>

namespace skiff {

struct Derivation {
  std::string file;              // "autograd/ops/rfft.cpp"
  std::vector<std::string> ops;  // that the file defines
  std::string text;              // the comment without its slashes
};
const std::vector<Derivation>& derivations();

// The derivation of an op; null if no file defines it.
inline const Derivation* derivation_of(const std::string& op) {
  for (const Derivation& d : derivations())
    for (const std::string& name : d.ops)
      if (name == op) return &d;
  return nullptr;
}

}  // namespace skiff
