# Makes derivations.cpp (declared in examples/explain/derivations.h): the comment on top of each file of ops,
# word for word, with the names of the ops that the file defines. The Makefile runs it whenever one
# of the files changes, so what `explain` and `report` print cannot drift from the source.
function finish() {
  if (ops != "") printf "    {\"%s\", {%s},\nR\"derivation(%s)derivation\"},\n", file, ops, text
}
BEGIN {
  print "#include \"examples/explain/derivations.h\"\n\nnamespace skiff {\n"
  print "const std::vector<Derivation>& derivations() {\n  static const std::vector<Derivation> all = {"
}
FNR == 1 { finish(); file = FILENAME; ops = text = ""; on_top = 1 }
on_top && /^\/\// { line = $0; sub(/^\/\/ ?/, "", line); text = text line "\n"; next }
{ on_top = 0 }
/static constexpr auto name = "/ { split($0, part, "\""); ops = ops (ops == "" ? "" : ", ") "\"" part[2] "\"" }
END {
  finish()
  print "  };\n  return all;\n}\n\n}  // namespace skiff"
}
