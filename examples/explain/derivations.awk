# Makes derivations.cpp (declared in examples/explain/derivations.h): the comment on top of each file of
# ops, word for word, with the names of the ops that the file defines and their references. The Makefile
# runs it whenever one of the files changes, so what `explain` and `report` print cannot drift from the
# source.
function finish(  i, names, references) {
  for (i = 1; i <= count; ++i) {
    names = names (i > 1 ? ", " : "") "\"" op[i] "\""
    references = references (i > 1 ? ", " : "") "R\"reference(" reference[i] ")reference\""
  }
  if (count > 0) printf "    {\"%s\", {%s}, {%s},\nR\"derivation(%s)derivation\"},\n", file, names, references, text
}
BEGIN {
  print "#include \"examples/explain/derivations.h\"\n\nnamespace skiff {\n"
  print "const std::vector<Derivation>& derivations() {\n  static const std::vector<Derivation> all = {"
}
FNR == 1 { finish(); file = FILENAME; text = ""; on_top = 1; count = inside = 0 }
on_top && /^\/\// { line = $0; sub(/^\/\/ ?/, "", line); text = text line "\n"; next }
{ on_top = 0 }
/static constexpr auto name = "/ { split($0, part, "\""); op[++count] = part[2]; reference[count] = "" }
/^  Tensor reference\(/ { inside = 1 }
inside { reference[count] = reference[count] substr($0, 3) "\n" }
/^  }$/ { inside = 0 }
END {
  finish()
  print "  };\n  return all;\n}\n\n}  // namespace skiff"
}
