// Texts with placeholders. The words of the report are files under templates/, compiled into the
// program; what the program computes goes into their placeholders:
//   {{name}}                the value of that name
//   {{include file.html}}   that template, filled
//   {{figure name: words}}  a drawing, `words` for those who cannot see it, and its legend
#pragma once

#include <functional>
#include <map>
#include <string>

namespace skiff::report {

// The text of a template by the name of its file. templates.awk makes the definition.
const std::map<std::string, std::string>& templates();

// Fills the placeholders. `value` returns the value of a name, or throws.
std::string fill(const std::string& text,
                 const std::function<std::string(const std::string& name)>& value);

}  // namespace skiff::report
