// Catches log lines while it lives; an error line that nobody expected fails the test.
//
//   LogWatcher log;
//   log.expect_error("store.sync_failed");
//   ...
//   EXPECT_TRUE(log.saw("session.paired"));
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "storage/base/log.h"

namespace wab::test {

class LogWatcher {
 public:
  LogWatcher();
  ~LogWatcher();
  LogWatcher(const LogWatcher&) = delete;

  void expect_error(std::string event);
  bool saw(std::string_view event) const;
  std::vector<std::string> lines() const;
  // All lines in one string, for "this must not appear anywhere".
  std::string text() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::pair<std::string, std::string>> seen_;  // event, line
  std::vector<std::string> errors_;
  std::set<std::string> expected_;
  LogSink previous_;
};

}  // namespace wab::test
