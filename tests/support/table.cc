#include "tests/support/table.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace wab::test {

bool Table::row(bool held, std::string_view what) {
  ++rows_;
  if (held) {
    ++passed_;
  } else {
    ADD_FAILURE() << name_ << ": " << what;
  }
  return held;
}

Table::~Table() {
  const char* folder = std::getenv("WAB_TABLES_DIR");
  if (folder == nullptr || *folder == '\0') return;
  std::ofstream out(std::string(folder) + "/" + name_ + ".json");
  out << R"({"name": ")" << name_ << R"(", "rows": )" << rows_ << R"(, "passed": )" << passed_
      << "}\n";
}

}  // namespace wab::test
