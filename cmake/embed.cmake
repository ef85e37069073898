# Writes the console's files into one source: cmake -D FOLDER=... -D OUT=... -P embed.cmake
# The delimiter of the raw literals stands in none of them; the compiler says so otherwise.
file(GLOB names RELATIVE ${FOLDER} ${FOLDER}/*.html ${FOLDER}/*.js ${FOLDER}/*.css ${FOLDER}/*.svg)
list(SORT names)
set(out "// Generated from bridge/console by cmake/embed.cmake.\n#include \"bridge/console.h\"\n\n")
string(APPEND out "namespace wab::bridge {\nnamespace {\n\nconstexpr ConsoleSource kSources[] = {\n")
foreach(name ${names})
  file(READ ${FOLDER}/${name} text)
  string(APPEND out "    {\"${name}\", R\"WABFILE(${text})WABFILE\"},\n")
endforeach()
string(APPEND out "};\n\n}  // namespace\n\n")
string(APPEND out "std::span<const ConsoleSource> console_sources() { return kSources; }\n\n")
string(APPEND out "}  // namespace wab::bridge\n")
file(WRITE ${OUT} "${out}")
