// The derivations that stand on top of the files of ops, as text: what `explain` and `report` show.
// derivations.awk makes the definition from the sources when the programs are built.
#pragma once

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

namespace skiff {

struct Derivation {
  std::string file;              // "autograd/ops/spectral/rfft.cpp"
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

// Lines of at most `columns`. Paragraphs, which start at the margin, are filled; of an indented
// line (a formula) what does not fit goes on below, two columns further in.
inline std::string filled(const std::string& text, size_t columns, const std::string& margin = "") {
  std::vector<std::string> lines;
  std::istringstream in(text);
  bool filling = false;
  for (std::string line; std::getline(in, line);) {
    const bool prose = !line.empty() && line[0] != ' ';
    if (prose && filling)
      lines.back() += ' ' + line;
    else
      lines.push_back(line);
    filling = prose;
  }
  std::string out;
  for (std::string line : lines) {
    const size_t indent = std::min(line.find_first_not_of(' '), line.size());
    const size_t further = indent == 0 ? 0 : indent + 2;
    while (margin.size() + line.size() > columns) {
      const size_t at = line.rfind(' ', columns - margin.size());
      if (at == std::string::npos || at <= std::max(indent, further)) break;
      out += margin + line.substr(0, line.find_last_not_of(' ', at) + 1) + "\n";
      line = std::string(further, ' ') + line.substr(line.find_first_not_of(' ', at));
    }
    out += line.empty() ? "\n" : margin + line + "\n";
  }
  return out;
}

}  // namespace skiff
