// Runs the command that prints the root key (`exec:`). No shell, bounded in time and in output.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "storage/base/bytes.h"
#include "storage/base/result.h"

namespace wab::storage {

// Words of a command: split at blanks; 'single', "double" quotes and backslash group. Empty when a
// quote is not closed.
std::vector<std::string> split_command(std::string_view command);

// Standard output, at most `limit` bytes; standard input is empty, standard error is ours. The
// whole process group dies at the deadline. `problem` says what went wrong.
Result<Bytes> run_key_command(std::string_view command, std::chrono::milliseconds deadline,
                              size_t limit, std::string& problem);

}  // namespace wab::storage
