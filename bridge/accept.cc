#include "bridge/accept.h"

#include <algorithm>
#include <charconv>

namespace wab::bridge {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// "0.8" as thousandths; anything odd counts as 1.
int quality(std::string_view parameters) {
  while (!parameters.empty()) {
    const auto end = parameters.find(';');
    const auto one = trim(parameters.substr(0, end));
    if (one.starts_with("q=") || one.starts_with("Q=")) {
      const auto value = one.substr(2);
      if (value.starts_with("0")) {
        int thousandths = 0, scale = 100;
        for (size_t i = 2; i < value.size() && i < 5; ++i, scale /= 10) {
          if (value[i] < '0' || value[i] > '9') return 1000;
          thousandths += (value[i] - '0') * scale;
        }
        return thousandths;
      }
      return 1000;
    }
    if (end == std::string_view::npos) break;
    parameters.remove_prefix(end + 1);
  }
  return 1000;
}

// How closely a range names the type: 0 not at all, 1 */*, 2 image/*, 3 image/png.
int closeness(std::string_view range, std::string_view type) {
  if (range == "*/*") return 1;
  if (range == type) return 3;
  const auto slash = type.find('/');
  return range.size() == slash + 2 && range.substr(0, slash + 1) == type.substr(0, slash + 1) &&
                 range.back() == '*'
             ? 2
             : 0;
}

}  // namespace

std::optional<std::string_view> negotiate(std::string_view accept,
                                          std::span<const std::string_view> offered) {
  if (trim(accept).empty()) return offered.front();
  std::optional<std::string_view> best;
  int best_score = 0;
  for (const auto type : offered) {
    int close = 0, q = 0;
    for (auto rest = accept; !rest.empty();) {
      const auto end = rest.find(',');
      const auto item = rest.substr(0, end);
      const auto semicolon = item.find(';');
      const auto range = trim(item.substr(0, semicolon));
      const int here = closeness(range, type);
      if (here > close) {
        close = here;
        q = semicolon == std::string_view::npos ? 1000 : quality(item.substr(semicolon + 1));
      }
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
    }
    // Of equal quality the one that was named more closely.
    const int score = q == 0 ? 0 : q * 4 + close;
    if (close > 0 && score > best_score) {
      best_score = score;
      best = type;
    }
  }
  return best;
}

}  // namespace wab::bridge
