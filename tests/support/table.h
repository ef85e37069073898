// Counts the rows of a test that is a table, for the summary of scripts/test.
//
//   Table table("isolation matrix");
//   for (...) table.row(held, name_of_row);   // a row that did not hold fails the test
//
// When WAB_TABLES_DIR is set, the destructor writes <dir>/<name>.json.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wab::test {

class Table {
 public:
  explicit Table(std::string name) : name_(std::move(name)) {}
  ~Table();
  Table(const Table&) = delete;

  // Answers `held`.
  bool row(bool held, std::string_view what);
  size_t rows() const { return rows_; }

 private:
  std::string name_;
  size_t rows_ = 0, passed_ = 0;
};

}  // namespace wab::test
