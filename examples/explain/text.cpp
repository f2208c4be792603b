#include <algorithm>
#include <sstream>

#include "examples/explain/derivations.h"

namespace skiff {

std::string Derivation::family() const {
  const size_t end = file.rfind('/');
  const size_t begin = file.rfind('/', end - 1) + 1;
  return file.substr(begin, end - begin);
}

const Derivation* derivation_of(const std::string& op) {
  for (const Derivation& d : derivations())
    for (const std::string& name : d.ops)
      if (name == op) return &d;
  return nullptr;
}

std::string reference_of(const std::string& op) {
  const Derivation* d = derivation_of(op);
  if (d == nullptr) return "";
  return d->references[size_t(std::find(d->ops.begin(), d->ops.end(), op) - d->ops.begin())];
}

std::string filled(const std::string& text, size_t columns, const std::string& margin) {
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
