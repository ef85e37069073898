#include "bridge/kept_document.h"

#include <algorithm>
#include <charconv>

namespace wab::bridge {
namespace {

const char* name(int) { return "status"; }

constexpr int64_t kWithout = 300, kMost = 24 * 3600;

std::string lower_trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  std::string out(text.substr(first, text.find_last_not_of(" \t") - first + 1));
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace

const ErrorDomain& error_domain(DocumentError) {
  static constexpr ErrorDomain domain{"document", name};
  return domain;
}

std::chrono::seconds fresh_for(std::string_view cache_control) {
  constexpr std::string_view kMaxAge = "max-age=";
  std::optional<int64_t> age;
  while (!cache_control.empty()) {
    const auto comma = cache_control.find(',');
    const auto one = lower_trimmed(cache_control.substr(0, comma));
    if (one == "no-store" || one == "no-cache") return std::chrono::seconds(0);
    if (one.starts_with(kMaxAge)) {
      int64_t value = 0;
      const char* end = one.data() + one.size();
      const auto [at, ec] = std::from_chars(one.data() + kMaxAge.size(), end, value);
      // Of two the shorter one; what cannot be read is old at once (RFC 9111 section 4.2.1).
      if (ec != std::errc() || at != end || value < 0) value = 0;
      age = std::min(age.value_or(kMost), value);
    }
    if (comma == std::string_view::npos) break;
    cache_control.remove_prefix(comma + 1);
  }
  return std::chrono::seconds(age.value_or(kWithout));
}

}  // namespace wab::bridge
