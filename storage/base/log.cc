#include "storage/base/log.h"

#include <fmt/format.h>
#include <sodium.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <cmath>
#include <mutex>

#include "storage/base/clock.h"

namespace wab {
namespace {

constexpr size_t kMaxText = 256;
constexpr const char* kNames[] = {"debug", "info", "warn", "error", "off"};

struct State {
  std::atomic<LogLevel> level{LogLevel::info};
  std::array<std::atomic<uint64_t>, 4> counts{};
  std::mutex mutex;  // guards the two below; spdlog's sinks lock themselves
  std::shared_ptr<spdlog::logger> file;
  LogSink sink;
  ByteArray<crypto_shorthash_KEYBYTES> mask_key;
  State() {
    randombytes_buf(mask_key.data(), mask_key.size());
    file = logger(std::make_shared<spdlog::sinks::stderr_sink_mt>());
  }
  static std::shared_ptr<spdlog::logger> logger(spdlog::sink_ptr to) {
    auto made = std::make_shared<spdlog::logger>("waslo", std::move(to));
    made->set_pattern("%v", spdlog::pattern_time_type::utc);
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::info);
    return made;
  }
};

State& state() {
  static State& the = *new State;  // lines may come from destructors of statics
  return the;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

std::string mask(std::string_view personal) {
  ByteArray<crypto_shorthash_BYTES> hash;
  crypto_shorthash(hash.data(), reinterpret_cast<const uint8_t*>(personal.data()), personal.size(),
                   state().mask_key.data());
  return "#" + to_hex(ByteView(hash).first(4));
}

// Words of 7 to 15 digits become masks: the length of phone numbers, ours and of groups. Digits
// inside an identifier ("org_0123456789...") are not words.
std::string without_numbers(std::string_view text) {
  std::string out;
  size_t i = 0;
  while (i < text.size()) {
    if (!is_digit(text[i])) {
      out.push_back(text[i++]);
      continue;
    }
    size_t end = i;
    while (end < text.size() && is_digit(text[end])) ++end;
    const std::string_view word = text.substr(i, end - i);
    const bool alone =
        (i == 0 || !is_letter(text[i - 1])) && (end == text.size() || !is_letter(text[end]));
    if (alone && word.size() >= 7 && word.size() <= 15) {
      out += mask(word);
    } else {
      out += word;
    }
    i = end;
  }
  return out;
}

void put_quoted(std::string& out, std::string_view text) {
  out.push_back('"');
  const bool utf8 = is_utf8(view(text));
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\u{:04x}", byte);
    } else if (byte >= 0x80 && !utf8) {
      out.push_back('?');
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

void put_text(std::string& out, std::string_view text) {
  std::string clean = without_numbers(text.substr(0, kMaxText));
  if (text.size() > kMaxText) {
    while (!clean.empty() && (static_cast<unsigned char>(clean.back()) & 0xC0) == 0x80) {
      clean.pop_back();  // not in the middle of a character
    }
    if (!clean.empty() && static_cast<unsigned char>(clean.back()) >= 0xC0) clean.pop_back();
    clean += "...";
  }
  put_quoted(out, clean);
}

void write(LogLevel level, const char* event, std::initializer_list<Field> fields) {
  State& s = state();
  if (level < s.level.load(std::memory_order_relaxed)) return;
  s.counts[static_cast<size_t>(level)].fetch_add(1, std::memory_order_relaxed);
  const std::string line = log_line(level, event, fields, system_clock().now_ms());
  std::shared_ptr<spdlog::logger> file;
  LogSink sink;
  {
    std::lock_guard lock(s.mutex);
    sink = s.sink;
    file = s.file;
  }
  if (sink) {
    sink(level, event, line);
  } else {
    file->log(level == LogLevel::error ? spdlog::level::err : spdlog::level::info,
              spdlog::string_view_t(line.data(), line.size()));
  }
}

}  // namespace

std::string log_line(LogLevel level, const char* event, std::initializer_list<Field> fields,
                     int64_t now_ms) {
  std::string out = "{\"ts\":\"" + to_iso8601(now_ms) + "\",\"level\":\"" +
                    kNames[static_cast<size_t>(level)] + "\",\"event\":";
  put_quoted(out, event);
  for (const Field& field : fields) {
    out.push_back(',');
    put_quoted(out, field.key_);
    out.push_back(':');
    switch (field.kind_) {
      case Field::Kind::text:
        put_text(out, field.text_);
        break;
      case Field::Kind::masked:
        put_quoted(out, mask(field.text_));
        break;
      case Field::Kind::error:
        put_text(out, field.error_->describe());
        break;
      case Field::Kind::boolean:
        out += field.integer_ != 0 ? "true" : "false";
        break;
      case Field::Kind::integer:
        out += std::to_string(field.integer_);
        break;
      case Field::Kind::real:
        out += std::isfinite(field.real_) ? fmt::format("{:.6g}", field.real_) : "null";
        break;
    }
  }
  out.push_back('}');
  return out;
}

void log_debug(const char* event, std::initializer_list<Field> fields) {
  write(LogLevel::debug, event, fields);
}
void log_info(const char* event, std::initializer_list<Field> fields) {
  write(LogLevel::info, event, fields);
}
void log_warn(const char* event, std::initializer_list<Field> fields) {
  write(LogLevel::warn, event, fields);
}
void log_error(const char* event, std::initializer_list<Field> fields) {
  write(LogLevel::error, event, fields);
}

void set_log_level(LogLevel level) { state().level = level; }

bool parse_log_level(std::string_view name, LogLevel& out) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (name == kNames[i]) {
      out = static_cast<LogLevel>(i);
      return true;
    }
  }
  return false;
}

bool log_to_file(const std::string& path) {
  try {
    auto file = State::logger(std::make_shared<spdlog::sinks::basic_file_sink_mt>(path));
    std::lock_guard lock(state().mutex);
    state().file = std::move(file);
    return true;
  } catch (const spdlog::spdlog_ex&) {
    return false;
  }
}

LogSink set_log_sink(LogSink sink) {
  std::lock_guard lock(state().mutex);
  return std::exchange(state().sink, std::move(sink));
}

uint64_t log_count(LogLevel level) { return state().counts.at(static_cast<size_t>(level)); }

}  // namespace wab
