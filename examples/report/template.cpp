#include "examples/report/template.h"

#include "core/check.h"

namespace skiff::report {
namespace {

// Where the placeholder that opens at `begin` ends, after its braces; placeholders may nest.
size_t end_of(const std::string& text, size_t begin) {
  int depth = 0;
  for (size_t at = begin; at + 1 < text.size(); ++at) {
    const std::string_view two = std::string_view(text).substr(at, 2);
    if (two != "{{" && two != "}}") continue;
    depth += two == "{{" ? 1 : -1;
    ++at;
    if (depth == 0) return at + 1;
  }
  fail("report: a template does not close '", text.substr(begin, 40), "'");
}

}  // namespace

std::string fill(const std::string& text,
                 const std::function<std::string(const std::string& name)>& value) {
  std::string out;
  size_t done = 0;
  for (size_t at; (at = text.find("{{", done)) != std::string::npos;) {
    out += text.substr(done, at - done);
    done = end_of(text, at);
    const std::string inside = text.substr(at + 2, done - at - 4);
    const std::string word = inside.substr(0, inside.find(' '));
    if (word == "include") {
      const auto found = templates().find(inside.substr(8));
      check(found != templates().end(), "report: there is no template '", inside.substr(8), "'");
      out += fill(found->second, value);
    } else if (word == "figure") {
      const size_t colon = inside.find(": ");
      check(colon != std::string::npos, "report: a figure needs words, got '", inside, "'");
      const std::string name = inside.substr(7, colon - 7);
      out += "<div role=\"img\" aria-label=\"" + fill(inside.substr(colon + 2), value) + "\">\n" +
             value(name) + "</div>\n" + value(name + " legend");
    } else {
      out += value(inside);
    }
  }
  return out + text.substr(done);
}

}  // namespace skiff::report
