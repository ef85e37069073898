#include "tests/support/log_watcher.h"

#include <gtest/gtest.h>

namespace wab::test {

LogWatcher::LogWatcher() {
  previous_ = set_log_sink([this](LogLevel level, const char* event, std::string_view line) {
    std::lock_guard lock(mutex_);
    seen_.emplace_back(event, std::string(line));
    if (level == LogLevel::error) errors_.emplace_back(event);
  });
}

LogWatcher::~LogWatcher() {
  set_log_sink(std::move(previous_));
  for (const auto& event : errors_) {
    EXPECT_TRUE(expected_.contains(event)) << "unexpected error in the log: " << event;
  }
}

void LogWatcher::expect_error(std::string event) {
  std::lock_guard lock(mutex_);
  expected_.insert(std::move(event));
}

bool LogWatcher::saw(std::string_view event) const {
  std::lock_guard lock(mutex_);
  for (const auto& [name, line] : seen_) {
    if (name == event) return true;
  }
  return false;
}

std::vector<std::string> LogWatcher::lines() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [name, line] : seen_) out.push_back(line);
  return out;
}

std::string LogWatcher::text() const {
  std::string out;
  for (const auto& line : lines()) out += line + "\n";
  return out;
}

}  // namespace wab::test
