// Structured log lines: one JSON object per line with time, level, a constant event name and
// fields.
//
//   log_info("session.paired", {{"session", id.text()}, {"count", 3}, {"phone", Masked(digits)}});
//
// Any thread. Personal data stays out by type: phone numbers and JIDs go through Masked; key
// material and byte strings have no constructor; text is cut at 256 bytes, and a word in it that
// looks like a phone number is masked. `error` means that a human must look, so an unexpected error
// line fails a test (tests/support/log_watcher.h).
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "storage/base/result.h"

namespace wab {

enum class LogLevel { debug, info, warn, error, off };

// Prints as "#" and 8 hex digits of a hash keyed anew by every process: the same number can be
// followed through a log, and not be found again from it.
struct Masked {
  explicit Masked(std::string_view personal) : value(personal) {}
  std::string_view value;
};

class Field {
 public:
  Field(const char* key, std::string_view value) : key_(key), kind_(Kind::text), text_(value) {}
  Field(const char* key, const char* value) : Field(key, std::string_view(value)) {}
  Field(const char* key, const std::string& value) : Field(key, std::string_view(value)) {}
  Field(const char* key, Masked value) : key_(key), kind_(Kind::masked), text_(value.value) {}
  Field(const char* key, const Error& error) : key_(key), kind_(Kind::error), error_(&error) {}
  Field(const char* key, bool value) : key_(key), kind_(Kind::boolean), integer_(value) {}
  Field(const char* key, double value) : key_(key), kind_(Kind::real), real_(value) {}
  template <std::integral Integer>
  Field(const char* key, Integer value)
      : key_(key), kind_(Kind::integer), integer_(static_cast<int64_t>(value)) {}

 private:
  friend std::string log_line(LogLevel, const char*, std::initializer_list<Field>, int64_t);
  enum class Kind { text, masked, error, boolean, integer, real };
  const char* key_;
  Kind kind_;
  std::string_view text_;  // lives until the end of the call
  const Error* error_ = nullptr;
  int64_t integer_ = 0;
  double real_ = 0;
};

// `event` and field keys are constants in lower case: "room.what_happened".
void log_debug(const char* event, std::initializer_list<Field> fields = {});
void log_info(const char* event, std::initializer_list<Field> fields = {});
void log_warn(const char* event, std::initializer_list<Field> fields = {});
void log_error(const char* event, std::initializer_list<Field> fields = {});

void set_log_level(LogLevel level);  // info at the start
bool parse_log_level(std::string_view name, LogLevel& out);
// Standard error at the start. An unopenable file is an answer of false and changes nothing.
bool log_to_file(const std::string& path);

// Instead of the file: every line that passes the level, without line end. An empty function
// restores the file. Answers the previous one.
using LogSink = std::function<void(LogLevel, const char* event, std::string_view line)>;
LogSink set_log_sink(LogSink sink);

// Lines written since the start.
uint64_t log_count(LogLevel level);

// The line itself; pure except for the mask's key.
std::string log_line(LogLevel level, const char* event, std::initializer_list<Field> fields,
                     int64_t now_ms);

}  // namespace wab
