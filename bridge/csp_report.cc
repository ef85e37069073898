#include "bridge/csp_report.h"

#include <nlohmann/json.hpp>
#include <string>

namespace wab::bridge {
namespace {

using nlohmann::json;

std::string text_at(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string_view directive_of(std::string_view text) {
  constexpr std::string_view kKnown[] = {"script-src-elem", "script-src-attr",
                                         "script-src",      "style-src-elem",
                                         "style-src-attr",  "style-src",
                                         "img-src",         "connect-src",
                                         "font-src",        "form-action",
                                         "base-uri",        "frame-ancestors",
                                         "default-src",     "media-src",
                                         "object-src",      "frame-src",
                                         "child-src",       "worker-src",
                                         "manifest-src",    "prefetch-src",
                                         "trusted-types",   "require-trusted-types-for"};
  // The old form gives the whole directive: its first word is the name.
  const auto name = text.substr(0, text.find(' '));
  for (const auto known : kKnown) {
    if (known == name) return known;
  }
  return "other";
}

std::string_view blocked_of(std::string_view text) {
  constexpr std::pair<std::string_view, std::string_view> kKnown[] = {
      {"inline", "inline"},
      {"eval", "eval"},
      {"wasm-eval", "eval"},
      {"data", "data"},
      {"blob", "blob"},
      {"trusted-types-policy", "trusted-types"},
      {"trusted-types-sink", "trusted-types"}};
  for (const auto& [word, ours] : kKnown) {
    if (text == word || (text.starts_with(word) && text.substr(word.size()).starts_with(':'))) {
      return ours;
    }
  }
  return text.starts_with("http://") || text.starts_with("https://") ? "address" : "other";
}

}  // namespace

std::vector<CspReport> csp_reports(const json& body) {
  std::vector<CspReport> out;
  const auto add = [&](const json& report, const char* directive, const char* blocked) {
    if (!report.is_object() || out.size() >= kMostReports) return;
    const std::string name = text_at(report, directive), what = text_at(report, blocked);
    out.push_back({directive_of(name), blocked_of(what)});
  };
  if (body.is_object()) {
    const auto report = body.find("csp-report");
    if (report != body.end()) {
      const bool effective = report->is_object() && report->contains("effective-directive");
      add(*report, effective ? "effective-directive" : "violated-directive", "blocked-uri");
    }
    return out;
  }
  if (!body.is_array()) return out;
  for (size_t i = 0; i < std::min(body.size(), kMostReports); ++i) {
    const auto& one = body[i];
    if (!one.is_object() || text_at(one, "type") != "csp-violation" || !one.contains("body"))
      continue;
    add(one["body"], "effectiveDirective", "blockedURL");
  }
  return out;
}

}  // namespace wab::bridge
