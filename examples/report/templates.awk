# Makes templates.cpp (declared in examples/report/template.h): the files of examples/report/templates
# as texts by name. The Makefile runs it whenever one of them changes.
BEGIN {
  print "#include \"examples/report/template.h\"\n\nnamespace skiff::report {\n"
  print "const std::map<std::string, std::string>& templates() {"
  print "  static const std::map<std::string, std::string> all = {"
}
FNR == 1 { if (NR > 1) print ")template\"},"; n = split(FILENAME, part, "/"); printf "{\"%s\", R\"template(", part[n] }
{ print }
END { print ")template\"},\n  };\n  return all;\n}\n\n}  // namespace skiff::report" }
